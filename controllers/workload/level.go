package workload

import (
	"fmt"
	"slices"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// levelProblems refuses a level above the one that the operator may give a namespace. An empty level is the default, an empty
// bound is none.
func levelProblems(level, most v1alpha1.PodSecurityLevel) []string {
	level = podSecurityLevel(level)
	if most == "" || slices.Index(levels, level) <= slices.Index(levels, most) {
		return nil
	}
	return []string{fmt.Sprintf("isolation.podSecurityLevel is %s, but the operator allows at most %s: choose a stricter"+
		" level, or raise the chart's value maxPodSecurityLevel", level, most)}
}
