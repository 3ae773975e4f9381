package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// conformanceReport is the JSON form of a run of all debug cases.
type conformanceReport struct {
	// OK is whether every case is good.
	OK bool `json:"ok"`
	// URL is what was called.
	URL string `json:"url"`
	// Cases are in the order in which they were played.
	Cases   []caseDocument     `json:"cases"`
	Summary conformanceSummary `json:"summary"`
	// Notes are about the whole run.
	Notes []string `json:"notes"`
}

// conformanceSummary counts cases.
type conformanceSummary struct {
	Cases   int `json:"cases"`
	Good    int `json:"good"`
	NotGood int `json:"notGood"`
}

type caseDocument struct {
	Generation   koogallerytest.Generation    `json:"generation"`
	ProductTypes []koogallerytest.ProductType `json:"productTypes"`
	// Name tells the case from the others of its generation. Activity and Scene are the call's.
	Name     string `json:"name"`
	Activity string `json:"activity,omitempty"`
	Scene    string `json:"scene,omitempty"`
	// Rule is what has to be true, Basis whether KooGallery's pages say so.
	Rule  string               `json:"rule"`
	Basis koogallerytest.Basis `json:"basis"`
	// Calls is how many calls were answered. Status and ResultCode are the last answer's, Milliseconds the slowest one's.
	Calls        int    `json:"calls"`
	Status       int    `json:"status,omitempty"`
	ResultCode   string `json:"resultCode,omitempty"`
	Milliseconds int64  `json:"milliseconds"`
	// OK is whether the case is good, Problems why not. Notes are worth knowing.
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"`
	Notes    []string `json:"notes"`
}

func newConformanceReport(address string, results []koogallerytest.CaseResult) conformanceReport {
	report := conformanceReport{URL: address, Cases: []caseDocument{}, Notes: []string{}}
	for _, result := range results {
		report.Cases = append(report.Cases, newCaseDocument(result))
		if result.Good() {
			report.Summary.Good++
		}
	}
	report.Summary.Cases = len(results)
	report.Summary.NotGood = len(results) - report.Summary.Good
	// Nothing played is nothing proven.
	report.OK = len(results) > 0 && report.Summary.NotGood == 0
	if len(results) == 0 {
		report.Notes = append(report.Notes, "no case has this generation and this product type")
	}
	if why := unfitFor(address); why != "" {
		report.Notes = append(report.Notes, "the seller console does not accept this URL: "+why)
	}
	return report
}

func newCaseDocument(result koogallerytest.CaseResult) caseDocument {
	document := caseDocument{
		Generation: result.Generation, ProductTypes: result.Types, Name: result.Name(), Activity: result.Activity,
		Scene: result.Scene, Rule: result.Rule(), Basis: result.Basis, Calls: len(result.Answers), OK: result.Good(),
		Problems: append([]string{}, result.Problems...), Notes: append([]string{}, result.Notes...),
	}
	for _, answer := range result.Answers {
		document.Status, document.ResultCode = answer.Status, answer.ResultCode
		document.Milliseconds = max(document.Milliseconds, answer.Latency.Milliseconds())
	}
	return document
}

// print writes the report as text or as one JSON document.
func (r conformanceReport) print(out io.Writer, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	_, err := io.WriteString(out, r.text())
	return err
}

// generationTitles are the generations as people read them.
var generationTitles = map[koogallerytest.Generation]string{
	koogallerytest.SaaSV2:            "SaaS V2.0",
	koogallerytest.SaaSV1:            "SaaS V1.0",
	koogallerytest.LicenseCode2:      "License codes 2.0",
	koogallerytest.OnlineLicense:     "Online License",
	koogallerytest.License1:          "License 1.0",
	koogallerytest.OrderNotification: "Order notification",
	koogallerytest.KitV2:             "Joint-operations Kit V2",
	koogallerytest.KitV1:             "Joint-operations Kit V1",
}

// text is the report for people: a table for each generation, with the problems below their case.
func (r conformanceReport) text() string {
	var text strings.Builder
	for _, generation := range koogallerytest.Generations() {
		of := func(c caseDocument) bool { return c.Generation != generation }
		if cases := slices.DeleteFunc(slices.Clone(r.Cases), of); len(cases) > 0 {
			fmt.Fprintf(&text, "%s\n%s\n", generationTitles[generation], table(cases))
		}
	}
	if slices.ContainsFunc(r.Cases, func(c caseDocument) bool { return c.Basis == koogallerytest.Inferred }) {
		text.WriteString("* not stated in KooGallery's documentation: inferred from it, or Stallkeeper's interpretation\n")
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&text, "Note: %s\n", note)
	}
	verdict := "good"
	if !r.OK {
		verdict = "not good"
	}
	fmt.Fprintf(&text, "Verdict: %s, %d of %d cases are good\n", verdict, r.Summary.Good, r.Summary.Cases)
	return text.String()
}

// table has a row for each case. Problems and notes are put between the rows after the columns were made, which are as wide as
// the cases need.
func table(cases []caseDocument) string {
	var columns strings.Builder
	writer := tabwriter.NewWriter(&columns, 0, 0, 2, ' ', 0)
	fmt.Fprintln(writer, "  CASE\tPRODUCT TYPES\tHTTP\tCODE\tTIME\tVERDICT")
	for _, c := range cases {
		verdict, mark := "good", ""
		if !c.OK {
			verdict = "not good"
		}
		if c.Basis == koogallerytest.Inferred {
			mark = " *"
		}
		fmt.Fprintf(writer, "  %s%s\t%s\t%s\t%s\t%d ms\t%s\n", c.Name, mark, typesText(c.ProductTypes),
			statusText(c.Status), codeText(c.ResultCode), c.Milliseconds, verdict)
	}
	// A string builder takes everything.
	_ = writer.Flush()
	lines := strings.SplitAfter(columns.String(), "\n")
	var text strings.Builder
	text.WriteString(lines[0])
	for i, c := range cases {
		text.WriteString(lines[i+1])
		for _, problem := range c.Problems {
			fmt.Fprintf(&text, "      - %s\n", printable(problem))
		}
		for _, note := range c.Notes {
			fmt.Fprintf(&text, "      note: %s\n", printable(note))
		}
	}
	return text.String()
}

func statusText(status int) string {
	if status == 0 {
		return "-"
	}
	return strconv.Itoa(status)
}

// codeText is a result code as it fits into a column, whatever a server has put there.
func codeText(code string) string {
	switch {
	case code == "":
		return "-"
	case len(code) > 8 || strings.Trim(code, "0123456789") != "":
		return "invalid"
	}
	return code
}

func typesText(types []koogallerytest.ProductType) string {
	if len(types) == len(koogallerytest.ProductTypes()) {
		return "all"
	}
	return joined(types)
}
