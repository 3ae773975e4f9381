package workload

import (
	"strings"
	"testing"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func TestLevelProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		level, most v1alpha1.PodSecurityLevel
		wantRefused bool
	}{
		"the default level passes the strictest bound":   {"", v1alpha1.PodSecurityRestricted, false},
		"a level at the bound passes":                    {v1alpha1.PodSecurityBaseline, v1alpha1.PodSecurityBaseline, false},
		"a level above the bound is refused":             {v1alpha1.PodSecurityPrivileged, v1alpha1.PodSecurityBaseline, true},
		"baseline is above restricted":                   {v1alpha1.PodSecurityBaseline, v1alpha1.PodSecurityRestricted, true},
		"without a bound every level passes":             {v1alpha1.PodSecurityPrivileged, "", false},
		"the most permissive bound lets everything pass": {v1alpha1.PodSecurityPrivileged, v1alpha1.PodSecurityPrivileged, false},
	} {
		t.Run(name, func(t *testing.T) {
			problems := levelProblems(tc.level, tc.most)
			if (len(problems) > 0) != tc.wantRefused {
				t.Fatalf("got %q", problems)
			}
			if tc.wantRefused && !strings.Contains(problems[0], "maxPodSecurityLevel") {
				t.Errorf("the remedy is missing: %q", problems[0])
			}
		})
	}
}
