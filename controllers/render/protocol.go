package render

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// maxFrame is the largest message, in bytes. Rendered text has at most 8 MiB, and JSON can make several of one byte.
const maxFrame = 64 << 20

// request is one question to a worker. Exactly one of Inputs, Values, Text, and none for parsing, says what is asked.
type request struct {
	// Digest names the source, Source is it: sent when the worker asks for it.
	Digest string           `json:"digest,omitempty"`
	Source *template.Source `json:"source,omitempty"`
	Inputs *wireInputs      `json:"inputs,omitempty"`
	Values json.RawMessage  `json:"values,omitempty"`
	Scope  json.RawMessage  `json:"scope,omitempty"`
	// Name and Text are a template of a single text.
	Name string `json:"name,omitempty"`
	Text string `json:"text,omitempty"`
	// Evaluates says that Values or Text are asked about, and not a source.
	Evaluates bool `json:"evaluates,omitempty"`
}

// source is the same for all renderings of what a seller has written, whoever they are for.
func (r request) source() string {
	if !r.Evaluates {
		return r.Digest
	}
	sum := sha256.Sum256(slices.Concat([]byte(r.Name), []byte{0}, []byte(r.Text), []byte{0}, r.Values))
	return hex.EncodeToString(sum[:])
}

// response is the answer.
type response struct {
	// Unknown: the worker does not have the source of this digest.
	Unknown bool            `json:"unknown,omitempty"`
	Output  *wireOutput     `json:"output,omitempty"`
	Values  json.RawMessage `json:"values,omitempty"`
	Text    string          `json:"text,omitempty"`
	Error   *wireError      `json:"error,omitempty"`
	// Took is the processor time that it took.
	Took time.Duration `json:"took,omitempty"`
}

// wireInputs are template.Inputs with values in which large whole numbers are not rounded.
type wireInputs struct {
	template.Inputs
	Values      json.RawMessage
	Stallkeeper json.RawMessage
}

// errNoJSON: the inputs can't be sent.
var errNoJSON = errors.New("the values can't be encoded as JSON")

func wireInputsOf(in template.Inputs) (*wireInputs, error) {
	w := &wireInputs{Inputs: in}
	var first, second error
	w.Values, first = json.Marshal(in.Values)
	w.Stallkeeper, second = json.Marshal(in.Stallkeeper)
	if first != nil || second != nil {
		return nil, errNoJSON
	}
	return w, nil
}

func (w *wireInputs) inputs() (in template.Inputs, err error) {
	in = w.Inputs
	if in.Values, err = template.DecodeValues(w.Values); err != nil {
		return in, err
	}
	in.Stallkeeper, err = template.DecodeValues(w.Stallkeeper)
	return in, err
}

// wireOutput is template.Output in a form that has JSON.
type wireOutput struct {
	Objects   []wireObject            `json:"objects"`
	Dropped   []string                `json:"dropped,omitempty"`
	Idle      []string                `json:"idle,omitempty"`
	Notes     []string                `json:"notes,omitempty"`
	Missing   []template.MissingValue `json:"missing,omitempty"`
	Evaluated template.Evaluated      `json:"evaluated,omitempty"`
	Made      template.Kept           `json:"made,omitempty"`
}

type wireObject struct {
	Object json.RawMessage `json:"object"`
	File   string          `json:"file"`
	Events []string        `json:"events,omitempty"`
}

// wireError carries an error of package template with what callers tell apart.
type wireError struct {
	Text        string                     `json:"text"`
	TooLarge    bool                       `json:"tooLarge,omitempty"`
	NotYAML     bool                       `json:"notYAML,omitempty"`
	Unsupported *template.UnsupportedError `json:"unsupported,omitempty"`
}

func wireErrorOf(err error) *wireError {
	if err == nil {
		return nil
	}
	w := &wireError{Text: err.Error(), TooLarge: errors.Is(err, template.ErrChartTooLarge), NotYAML: errors.Is(err, template.ErrNotYAML)}
	errors.As(err, &w.Unsupported)
	return w
}

// error is the error as the caller of package template would have it.
func (w *wireError) error() error {
	switch {
	case w == nil:
		return nil
	case w.Unsupported != nil:
		return w.Unsupported
	case w.TooLarge:
		return &worded{w.Text, template.ErrChartTooLarge}
	case w.NotYAML:
		return &worded{w.Text, template.ErrNotYAML}
	default:
		return errors.New(w.Text)
	}
}

// worded is an error that callers tell apart, in the words of the worker's.
type worded struct {
	text string
	is   error
}

func (e *worded) Error() string { return e.text }
func (e *worded) Unwrap() error { return e.is }

func wireOutputOf(out template.Output) (*wireOutput, error) {
	w := &wireOutput{
		Dropped: out.Dropped, Idle: out.Idle, Notes: out.Notes, Missing: out.Missing, Evaluated: out.Evaluated, Made: out.Made,
	}
	for _, object := range out.Objects {
		raw, err := json.Marshal(object.Object)
		if err != nil {
			return nil, fmt.Errorf("%s: an object can't be encoded as JSON", object.File)
		}
		w.Objects = append(w.Objects, wireObject{Object: raw, File: object.File, Events: object.Events})
	}
	return w, nil
}

func (w *wireOutput) output() (template.Output, error) {
	out := template.Output{
		Dropped: w.Dropped, Idle: w.Idle, Notes: w.Notes, Missing: w.Missing, Evaluated: w.Evaluated, Made: w.Made,
	}
	for _, object := range w.Objects {
		content := map[string]any{}
		if err := utiljson.Unmarshal(object.Object, &content); err != nil {
			return template.Output{}, fmt.Errorf("reading an object of %s: %w", object.File, err)
		}
		out.Objects = append(out.Objects, template.Object{
			Unstructured: &unstructured.Unstructured{Object: content}, File: object.File, Events: object.Events,
		})
	}
	return out, nil
}

// send writes a message behind its length.
func send(w io.Writer, message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	if len(data) > maxFrame {
		return fmt.Errorf("a message has %d bytes; at most %d are allowed", len(data), maxFrame)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(data)), uint32(len(data))) //nolint:gosec // bounded above
	if _, err := w.Write(append(frame, data...)); err != nil {
		return fmt.Errorf("writing a message: %w", err)
	}
	return nil
}

// receive reads a message. The error is io.EOF when there is none any more.
func receive(r io.Reader, message any) error {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxFrame {
		return fmt.Errorf("a message of %d bytes; at most %d are allowed", n, maxFrame)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return fmt.Errorf("reading a message: %w", err)
	}
	if err := json.Unmarshal(data, message); err != nil {
		return fmt.Errorf("decoding a message: %w", err)
	}
	return nil
}
