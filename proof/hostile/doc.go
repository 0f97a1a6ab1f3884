// Package hostile has tests alone. They prove that a device, a run.json or a journal that wants to do harm does none: usptest neither fails
// nor grows, says what was wrong, and shows what came as the text that it is.
package hostile
