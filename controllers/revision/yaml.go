package revision

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"

	"sigs.k8s.io/yaml"
	goyaml "sigs.k8s.io/yaml/goyaml.v3"

	"github.com/stallkeeper/stallkeeper/controllers/template"
)

const (
	// maxSourceBytes bounds the YAML of one key of valuesFrom, and maxSourceParts its lines and whatever else may begin a value in it: one of three
	// bytes takes some hundred bytes of memory.
	maxSourceBytes = 256 << 10
	maxSourceParts = 1 << 15
	// maxWrittenOut bounds that YAML with its aliases written out, where each value counts as its bytes and valueBytes more.
	maxWrittenOut = 1 << 20
	valueBytes    = 16
	// MaxParts bounds the members, elements, maps and lists of all values that a tenant is rendered from.
	MaxParts = 1 << 17
)

// errParts: the values have more than MaxParts.
var errParts = fmt.Errorf("the values have more than %d members, elements, maps and lists in all", MaxParts)

// valuesJSON makes JSON of YAML. Errors hold none of the text, which may be a secret's.
func valuesJSON(text []byte) ([]byte, error) {
	switch {
	case len(text) > maxSourceBytes:
		return nil, fmt.Errorf("has %d bytes; at most %d are allowed", len(text), maxSourceBytes)
	case partsOf(text) > maxSourceParts:
		return nil, fmt.Errorf("has more than %d lines, commas and brackets: take some out", maxSourceParts)
	case len(bytes.TrimSpace(text)) == 0:
		return []byte("{}"), nil
	}
	if bytes.ContainsRune(text, '&') && bytes.ContainsRune(text, '*') {
		var root goyaml.Node
		if err := goyaml.Unmarshal(text, &root); err != nil {
			return nil, notYAML(err)
		}
		if writtenOut(&root, map[*goyaml.Node]int{}) > maxWrittenOut {
			return nil, errors.New("has aliases that stand for too much: write out what they stand for")
		}
	}
	raw, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, notYAML(err)
	}
	if string(raw) == "null" {
		return []byte("{}"), nil
	}
	values, err := template.DecodeValues(raw)
	if err != nil {
		return nil, errors.New("must contain a YAML map such as `replicas: 2`")
	}
	if _, taken := values[ownKey]; taken {
		return nil, fmt.Errorf("sets %s, which Stallkeeper sets: remove it", ownKey)
	}
	return raw, nil
}

// partsOf counts what may begin a value of YAML, in texts and comments as well.
func partsOf(text []byte) (parts int) {
	for i, c := range text {
		switch {
		case c == '\n', c == ',', c == '[', c == '{', c == ' ' && i > 0 && (text[i-1] == '-' || text[i-1] == '?'):
			parts++
		}
	}
	return parts
}

// writtenOut is how much a value would be with its aliases written out; what is known of those that have a name is looked at once. More than
// maxWrittenOut is told as little more, and so is what holds itself.
func writtenOut(node *goyaml.Node, known map[*goyaml.Node]int) int {
	const tooMuch = maxWrittenOut + 1
	if node.Kind == goyaml.AliasNode {
		return writtenOut(node.Alias, known)
	}
	if size, is := known[node]; is {
		return size
	}
	if node.Anchor != "" {
		known[node] = tooMuch
	}
	size := len(node.Value) + valueBytes
	for _, child := range node.Content {
		size = min(size+writtenOut(child, known), tooMuch)
	}
	if node.Anchor != "" {
		known[node] = size
	}
	return size
}

// yamlLine is the place that the YAML library names; the rest of its words may quote the text.
var yamlLine = regexp.MustCompile(`line \d+`)

func notYAML(err error) error {
	line := yamlLine.FindString(err.Error())
	if line != "" {
		line = " (" + line + ")"
	}
	return errors.New("is not YAML" + line)
}
