package koogallerytest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"unicode/utf8"
)

const (
	// uploadsPath lists what was uploaded.
	uploadsPath = "/uploads"
	// maxUploadText is the length of a license as text, and of a file's name (protocol page 7.3).
	maxUploadText = 1024
)

// uploadForm is where licenses are uploaded to; its group is the event's id.
var uploadForm = public("v1/market-event/([^/]+)/file")

// UploadedLicense is a license that was uploaded for a getLicenseAsync call (protocol page 7.3).
type UploadedLicense struct {
	EventID string `json:"eventID"`
	// Type is "CHARACTERS" or "FILE".
	Type string `json:"type"`
	// Text is the license of type CHARACTERS.
	Text string `json:"text,omitempty"`
	// FileName and File are the license of type FILE.
	FileName string `json:"fileName,omitempty"`
	File     []byte `json:"file,omitempty"`
}

// Uploads is what was uploaded, in the order of arrival.
func (o *OpenAPI) Uploads() []UploadedLicense {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]UploadedLicense{}, o.uploads...)
}

// uploadRequest is the part that describes an upload.
type uploadRequest struct {
	Type       string `json:"type"`
	FileName   string `json:"file_name"`
	SHA256     string `json:"sha256"`
	Characters string `json:"characters"`
}

// uploadLicense answers an upload (protocol page 7.3).
func (o *OpenAPI) uploadLicense(r *http.Request, body []byte) (status int, answer map[string]any) {
	described, file, err := readUpload(r.Header.Get("Content-Type"), body)
	if err != nil || !described.fits(file) {
		return http.StatusBadRequest, result(UploadLicense, "95000001")
	}
	upload := UploadedLicense{
		EventID: uploadForm.FindStringSubmatch(r.URL.Path)[1],
		Type:    described.Type, Text: described.Characters, FileName: described.FileName, File: file,
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.uploads = append(o.uploads, upload)
	return http.StatusOK, result(UploadLicense, licenseDone)
}

// fits reports whether the description is complete and that of the file.
func (u uploadRequest) fits(file []byte) bool {
	switch u.Type {
	case "CHARACTERS":
		return u.Characters != "" && utf8.RuneCountInString(u.Characters) <= maxUploadText && file == nil
	case "FILE":
		sum := sha256.Sum256(file)
		return len(file) > 0 && u.FileName != "" && utf8.RuneCountInString(u.FileName) <= maxUploadText && u.SHA256 == hex.EncodeToString(sum[:])
	}
	return false
}

// readUpload reads the two parts; file is nil when it is not there.
func readUpload(contentType string, body []byte) (described uploadRequest, file []byte, err error) {
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || media != "multipart/form-data" {
		return described, nil, errors.New("the upload is not multipart/form-data")
	}
	reader := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return described, file, nil
		}
		if err != nil {
			return described, nil, err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return described, nil, err
		}
		switch part.FormName() {
		case "file":
			file = content
		case "isvUpdateFileReq":
			if part.Header.Get("Content-Type") != "application/json" {
				return described, nil, errors.New("the description is not declared as JSON")
			}
			if err := json.Unmarshal(content, &described); err != nil {
				return described, nil, err
			}
		}
	}
}
