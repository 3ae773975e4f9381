package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stallkeeper/stallkeeper/controllers/quantity"
)

// texts are fields that hold no quantity, and may hold a hash that looks like one.
var texts = []string{"annotations", "labels", "data", "stringData"}

// checkQuantities refuses texts such as 1E-2147483647, or a million digits. Whoever reads one as a quantity, as a request for CPU, computes
// for seconds or hours: here, in the API server, and in every client. The error names the field.
func checkQuantities(path string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if slices.Contains(texts, key) {
				continue
			}
			if err := checkQuantities(path+"."+key, v[key]); err != nil {
				return err
			}
		}
	case []any:
		for i, item := range v {
			if err := checkQuantities(path+"["+strconv.Itoa(i)+"]", item); err != nil {
				return err
			}
		}
	case string:
		if quantity.Costly(v) {
			return fmt.Errorf("%s is a number with thousands of digits, or with a large negative exponent; write it out, such as 500m",
				strings.TrimPrefix(path, "."))
		}
	}
	return nil
}
