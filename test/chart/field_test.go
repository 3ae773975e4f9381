package chart_test

import (
	"fmt"
	"strconv"
	"strings"
)

// field is the text of a nested field, and whether it is there. The path's parts are keys and list indices. A key with dots
// in it can't be named; its parent can.
func field(value any, path string) (string, bool) {
	for part := range strings.SplitSeq(path, ".") {
		switch typed := value.(type) {
		case map[string]any:
			next, found := typed[part]
			if !found {
				return "", false
			}
			value = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(typed) {
				return "", false
			}
			value = typed[i]
		default:
			return "", false
		}
	}
	return fmt.Sprint(value), true
}
