package plan

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Compare orders ids the way the plan numbers them: 1.2 before 1.10 before 2.1. It returns -1, 0 or 1. Parts that are not numbers come
// after numbers, in the order of their letters.
func Compare(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		m, errX := strconv.Atoi(x)
		n, errY := strconv.Atoi(y)
		switch {
		case errX == nil && errY == nil:
			return cmp.Compare(m, n)
		case errX == nil:
			return -1
		case errY == nil:
			return 1
		}
		return cmp.Compare(x, y)
	})
}

// nearMax is how many near matches are worth showing.
const nearMax = 3

// Near returns the names that were probably meant by name: at most three, the nearest first. Names that contain it come first, then those
// that differ in few letters.
func Near(name string, names []string) []string {
	type candidate struct {
		name string
		cost int
	}
	low := strings.ToLower(name)
	var near []candidate
	for _, n := range names {
		l := strings.ToLower(n)
		switch cost := distance(low, l); {
		case low != "" && strings.Contains(l, low):
			near = append(near, candidate{n, 0})
		case cost <= max(1, len(low)/3):
			near = append(near, candidate{n, cost})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return cmp.Compare(a.cost, b.cost) })
	var found []string
	for _, c := range near[:min(len(near), nearMax)] {
		found = append(found, c.name)
	}
	return found
}

// distance counts the letters to insert, delete or replace to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
