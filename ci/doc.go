// Package ci holds the tests of the project's own house: which package may know which, what may be in a package, and what lies at
// the top of the repository. The tests of behaviour are beside the code they try.
package ci
