package openapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	uploadPath = "/api/mkp-openapi-public/global/v1/market-event/%s/file"

	// maxUploadText is the length of a license as text, and of a file's name (protocol page 7.3).
	maxUploadText = 1024
	// MaxLicenseFile is the size in bytes of a license file. No limit is documented; a Secret, which it comes from, holds 1 MiB.
	MaxLicenseFile = 1 << 20

	licenseText = "CHARACTERS"
	licenseFile = "FILE"
)

// licenseUpload accepts success as the license operations say it and as the others do: the page tells none (protocol page 7.3).
var licenseUpload = operation{
	attempt: "uploading a license",
	success: []string{licenseSuccess, successSuffix},
	kinds:   with(licenseKinds, map[string]error{"9001": ErrInvalid}),
}

// eventForm is what an event id can be: one segment of a path, that every reader of the URL writes in the same way.
var eventForm = regexp.MustCompile(`^[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,63}$`)

// LicenseUpload is a license to deliver: either Text, or File with FileName.
type LicenseUpload struct {
	// Text is a license as text, 1 to 1024 characters.
	Text Confidential
	// FileName is the name under which the buyer gets the file, 1 to 1024 characters without control characters and slashes.
	FileName string
	// File is the content of the file, 1 byte to MaxLicenseFile.
	File Confidential
}

// uploadRequest is the part that describes an upload (protocol page 7.3).
type uploadRequest struct {
	Type       string `json:"type"`
	FileName   string `json:"file_name,omitempty"`
	SHA256     string `json:"sha256,omitempty"`
	Characters string `json:"characters,omitempty"`
}

// UploadLicense delivers the license that the buyer asked for with a getLicenseAsync call (protocol page 7.3). eventID is that
// call's eventId, 1 to 64 letters, digits and "._~-". Every error is an *Error. A repeat has to deliver the same license.
func (c *Client) UploadLicense(ctx context.Context, eventID string, upload LicenseUpload) error {
	if !eventForm.MatchString(eventID) {
		return licenseUpload.refused(ErrInvalid, errors.New("the event id must have 1 to 64 letters, digits and ._~-"))
	}
	described, err := upload.describe()
	if err != nil {
		return licenseUpload.refused(ErrInvalid, err)
	}
	body, contentType, err := multipartBody(described, upload.File)
	if err != nil {
		return licenseUpload.refused(ErrInvalid, errors.New("the license can't be encoded as multipart"))
	}
	_, failed := c.send(ctx, call{
		operation: licenseUpload, method: http.MethodPost, path: fmt.Sprintf(uploadPath, eventID), contentType: contentType, body: body,
	})
	if failed != nil {
		return failed
	}
	return nil
}

// describe checks the upload and describes it. Its errors hold nothing of the license.
func (u LicenseUpload) describe() (uploadRequest, error) {
	switch {
	case u.Text != "" && (u.File != "" || u.FileName != ""):
		return uploadRequest{}, errors.New("a license must be either a text or a file")
	case u.Text != "":
		if !utf8.ValidString(string(u.Text)) || utf8.RuneCountInString(string(u.Text)) > maxUploadText {
			return uploadRequest{}, fmt.Errorf("a license as text must have at most %d characters; deliver it as a file", maxUploadText)
		}
		return uploadRequest{Type: licenseText, Characters: string(u.Text)}, nil
	case u.File == "":
		return uploadRequest{}, errors.New("the license is empty")
	case len(u.File) > MaxLicenseFile:
		return uploadRequest{}, fmt.Errorf("a license file must have at most %d bytes", MaxLicenseFile)
	case !isFileName(u.FileName):
		return uploadRequest{}, fmt.Errorf("the file's name must have 1 to %d characters, without slashes and control characters", maxUploadText)
	}
	return uploadRequest{Type: licenseFile, FileName: u.FileName, SHA256: hexSHA256([]byte(u.File))}, nil
}

func isFileName(name string) bool {
	forbidden := func(r rune) bool { return unicode.IsControl(r) || r == '/' || r == '\\' }
	return name != "" && utf8.ValidString(name) && utf8.RuneCountInString(name) <= maxUploadText && !strings.ContainsFunc(name, forbidden)
}

// multipartBody writes the part "isvUpdateFileReq", and the part "file" if there is one.
func multipartBody(described uploadRequest, file Confidential) (body []byte, contentType string, err error) {
	encoded, err := json.Marshal(described)
	if err != nil {
		return nil, "", err
	}
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	part, err := writer.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="isvUpdateFileReq"`},
		"Content-Type":        {contentJSON},
	})
	if err != nil {
		return nil, "", err
	}
	if _, err := part.Write(encoded); err != nil {
		return nil, "", err
	}
	if file != "" {
		content, err := writer.CreateFormFile("file", described.FileName)
		if err != nil {
			return nil, "", err
		}
		if _, err := content.Write([]byte(file)); err != nil {
			return nil, "", err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, "", err
	}
	return form.Bytes(), writer.FormDataContentType(), nil
}
