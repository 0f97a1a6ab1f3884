// Package proof has tests alone. They prove the cases: a verdict counts only when it can be either. With each defect the reference agent
// fails the one metric that the defect names; it passes in every lawful way; and it is left as it was found.
package proof
