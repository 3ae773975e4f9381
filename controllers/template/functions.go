package template

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
	_ "time/tzdata" // dateInZone must not depend on the zones that an image brings; without this it falls back to UTC

	"github.com/Masterminds/sprig/v3"
)

const (
	// maxCount is the largest count that until, untilStep, seq, repeat, indent and nindent take.
	maxCount = 100_000
	// maxOutputBytes is the most that a template may render, and the longest text a function may return.
	maxOutputBytes = 8 << 20
	// scryptCost is spent by derivePassword, which takes about a tenth of a second by design.
	scryptCost = 1 << 22
)

// refusal is an error of our own: its text is meant for people and holds nothing of the inputs.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

func refusef(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// session is the state of one rendering that functions share.
type session struct {
	*budget
	// now is what `now` returns, or why there is no time.
	now func() (time.Time, error)
	// seed is what tenantSecret derives from.
	seed []byte
	// secrets are the results of tenantSecret, so that errors can leave them out.
	secrets []string
	// changing are the calls of functions with changing results.
	changing *changing
	// whole finds what may not be printed or copied as a whole.
	whole whole
	// missing are the values that were asked for and are not there.
	missing *missing
	// evaluated are the actions that tpl evaluates; nil where nobody asks.
	evaluated Evaluated
	// secretsSeen answers lookup: the tenant's own Secrets by name, as lookup gives them. asked are the names that were looked up.
	secretsSeen map[string]any
	asked       map[string]bool
	// namespace is the tenant's.
	namespace string
	// derived are the results of derivePassword by its arguments. All passes of a rendering share them.
	derived map[string]string
}

// newSession is a session with a whole budget.
func newSession(now func() (time.Time, error)) *session {
	b := newBudget()
	return &session{
		budget: b, whole: whole{budget: b}, changing: newChanging(b), missing: &missing{dicts: map[uintptr]map[string]any{}}, now: now,
		derived: map[string]string{},
	}
}

// removed are functions that read the process's environment or the network. A chart does not have them in Helm either.
var removed = []string{"env", "expandenv", "getHostByName"}

// functions is the whole function map: sprig's, bounded and repeatable, with our own. Helm's own functions are not in it.
func (s *session) functions() template.FuncMap {
	f := sprig.TxtFuncMap()
	for _, name := range removed {
		delete(f, name)
	}
	maps.Copy(f, s.formatting())
	maps.Copy(f, s.times(f))
	maps.Copy(f, s.bounded())
	maps.Copy(f, dumps())
	if dict, ok := f["dict"].(func(...any) map[string]any); ok {
		f["dict"] = s.missing.dict(dict)
	}
	for name, fn := range f {
		f[name] = s.guard(name, fn)
	}
	maps.Copy(f, s.changing.functions())
	maps.Copy(f, s.budget.functions(s.printed, s.evaluated.note))
	f[rangeFunc] = s.whole.withoutOurs
	maps.Copy(f, s.missing.functions())
	f["tenantSecret"] = s.tenantSecret
	f["lookup"] = s.lookup
	return f
}

// formatting are text/template's own functions that make text, so that guard can stand before them, and those of sprig
// whose order is that of a Go map.
func (s *session) formatting() template.FuncMap {
	return template.FuncMap{
		"print": fmt.Sprint, "printf": fmt.Sprintf, "println": fmt.Sprintln,
		"html": template.HTMLEscaper, "js": template.JSEscaper, "urlquery": template.URLQueryEscaper,
		"keys": func(dicts ...map[string]any) []string {
			all := []string{}
			for _, d := range dicts {
				all = append(all, slices.Sorted(maps.Keys(d))...)
			}
			return all
		},
		"values": func(dict map[string]any) []any {
			all := []any{}
			for _, k := range slices.Sorted(maps.Keys(dict)) {
				all = append(all, dict[k])
			}
			return all
		},
	}
}

// times are the functions that would read the clock or the process's time zone.
func (s *session) times(sprigs template.FuncMap) template.FuncMap {
	round, _ := sprigs["durationRound"].(func(any) string)
	in := func(layout string, date any, zone string) (string, error) {
		t, err := s.instant(date)
		if err != nil {
			return "", err
		}
		loc, err := time.LoadLocation(zone)
		if err != nil || loc == time.Local {
			loc = time.UTC
		}
		return t.In(loc).Format(layout), nil
	}
	toDate := func(layout, text string) (time.Time, error) { return time.ParseInLocation(layout, text, time.UTC) }
	const day = "2006-01-02"
	return template.FuncMap{
		"now":            s.now,
		"date":           func(layout string, date any) (string, error) { return in(layout, date, "UTC") },
		"dateInZone":     in,
		"date_in_zone":   in,
		"htmlDate":       func(date any) (string, error) { return in(day, date, "UTC") },
		"htmlDateInZone": func(date any, zone string) (string, error) { return in(day, date, zone) },
		"toDate":         func(layout, text string) time.Time { t, _ := toDate(layout, text); return t },
		"mustToDate": func(layout, text string) (time.Time, error) {
			t, err := toDate(layout, text)
			if err != nil {
				return t, refusef("mustToDate: the text is not a time of this layout")
			}
			return t, nil
		},
		"durationRound": func(d any) (string, error) {
			if since, ok := d.(time.Time); ok {
				now, err := s.now()
				return round(int64(now.Sub(since))), err
			}
			return round(d), nil
		},
	}
}

// instant is the time that sprig takes a value for; anything else means now.
func (s *session) instant(date any) (time.Time, error) {
	switch d := date.(type) {
	case time.Time:
		return d, nil
	case *time.Time:
		if d != nil {
			return *d, nil
		}
	case int64:
		return time.Unix(d, 0), nil
	case int:
		return time.Unix(int64(d), 0), nil
	case int32:
		return time.Unix(int64(d), 0), nil
	}
	return s.now()
}

// bounded are the functions that make much out of a small argument.
func (s *session) bounded() template.FuncMap {
	f := sprig.TxtFuncMap()
	untilStep, _ := f["untilStep"].(func(int, int, int) []int)
	seq, _ := f["seq"].(func(...int) string)
	indent := func(spaces int, text string) (string, error) {
		lines := strings.Count(text, "\n") + 1
		if spaces < 0 || spaces > maxCount || lines > maxOutputBytes/(spaces+1) {
			return "", refusef("indent by %d makes too long a text", spaces)
		}
		pad := strings.Repeat(" ", spaces)
		return pad + strings.ReplaceAll(text, "\n", "\n"+pad), nil
	}
	bounded := func(start, stop, step int) ([]int, error) {
		if err := checkCount("until", start, stop, step); err != nil {
			return nil, err
		}
		return untilStep(start, stop, step), nil
	}
	return template.FuncMap{
		"until": func(count int) ([]int, error) {
			if count < 0 {
				return bounded(0, count, -1)
			}
			return bounded(0, count, 1)
		},
		"untilStep": bounded,
		"seq": func(params ...int) (string, error) {
			if err := checkSeq(params); err != nil {
				return "", err
			}
			return seq(params...), nil
		},
		"repeat": func(count int, text string) (string, error) {
			if count < 0 || count > maxCount || len(text) > maxOutputBytes/(count+1) {
				return "", refusef("repeat %d makes too long a text; the count may be at most %d", count, maxCount)
			}
			return strings.Repeat(text, count), nil
		},
		"replace": func(old, with, text string) (string, error) {
			if n := strings.Count(text, old); len(with) > 0 && n > maxOutputBytes/len(with) {
				return "", refusef("replace makes too long a text")
			}
			return strings.ReplaceAll(text, old, with), nil
		},
		"indent": indent,
		"nindent": func(spaces int, text string) (string, error) {
			text, err := indent(spaces, text)
			return "\n" + text, err
		},
		"derivePassword": func(counter uint32, kind, password, user, site string) (string, error) {
			args := fmt.Sprintf("%d %q", counter, []string{kind, password, user, site})
			if _, known := s.derived[args]; !known {
				// It costs the same when the process knows it, or a template would be refused in one process and not in another.
				if err := s.spend(scryptCost); err != nil {
					return "", err
				}
				s.derived[args] = derivedPasswords.of(args, func() string { return derive(counter, kind, password, user, site) })
			}
			return s.derived[args], nil
		},
	}
}

// checkCount refuses a range of more than maxCount numbers. Floats, since the difference of two ints may not be one.
func checkCount(name string, start, stop, step int) error {
	if step == 0 {
		return nil // sprig makes it empty
	}
	if n := (float64(stop) - float64(start)) / float64(step); n > maxCount {
		return refusef("%s makes %.0f numbers; at most %d are allowed", name, math.Ceil(n), maxCount)
	}
	return nil
}

// checkSeq is checkCount for the arguments of seq: last; first, last; first, step, last.
func checkSeq(p []int) error {
	start, step, stop := 1, 1, 0
	switch len(p) {
	case 1:
		stop = p[0]
	case 2:
		start, stop = p[0], p[1]
	case 3:
		start, step, stop = p[0], p[1], p[2]
	}
	if stop < start && step > 0 {
		step = -1
	}
	return checkCount("seq", start, stop, step)
}

// toInt makes an integer of an integer or of its decimal text.
func toInt(v any) (int64, error) {
	switch v := v.(type) {
	case int64:
		return v, nil
	case int:
		return int64(v), nil
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		if errors.Is(err, strconv.ErrRange) {
			return 0, refusef("toInt: the number does not fit into 64 bits")
		}
		if err != nil {
			return 0, refusef("toInt: the text is not a whole number")
		}
		return n, nil
	default:
		return 0, refusef("toInt: %s is not a whole number", kindOf(v))
	}
}

// toBool makes a boolean of a boolean or of the texts true and false.
func toBool(v any) (bool, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		if v == "true" || v == "false" {
			return v == "true", nil
		}
		return false, refusef("toBool: the text is neither true nor false")
	default:
		return false, refusef("toBool: %s is neither true nor false", kindOf(v))
	}
}

// kindOf names what a value is, for errors.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case string:
		return "a text"
	case bool:
		return "a boolean"
	case int, int64, float64:
		return "a number"
	case []any:
		return "a list"
	default:
		return "a map"
	}
}
