//go:build !race

package main

// raceEnabled says that the race detector is at work, which multiplies memory.
const raceEnabled = false
