package directory

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxDecoded bounds what a shard may be expanded to.
const maxDecoded = 64 << 20

// maxHeadParts bounds the members and elements of a head, together. A Secret of commas would be expanded to hundreds of times its size.
const maxHeadParts = 1 << 16

// errUnreadable quotes nothing of what it could not read.
var errUnreadable = errors.New("the content is not in the format of this version of Stallkeeper")

// Decode reads a head.
func Decode(head []byte) (*Directory, error) {
	d := &Directory{loaded: map[int]map[Key]Record{}, changed: map[int]bool{}}
	shards := 0
	if !inParts(head, maxHeadParts) {
		return nil, errUnreadable
	}
	if json.Unmarshal(head, &d.Head) == nil {
		shards = len(d.Shards)
	}
	if shards == 0 || shards > MaxShards || shards&(shards-1) != 0 {
		return nil, errUnreadable
	}
	if d.DepartmentsSince == nil {
		d.DepartmentsSince = map[string]int64{}
	}
	return d, nil
}

// inParts reports whether JSON has no more than so many commas outside of its texts.
func inParts(data []byte, most int) bool {
	inText := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case c == ',' && !inText:
			if most--; most < 0 {
				return false
			}
		}
	}
	return true
}

// EncodeHead writes the head.
func (d *Directory) EncodeHead() ([]byte, error) { return json.Marshal(d.Head) }

// Load reads a shard. No data is an empty one. Records that belong to another shard since the directory has grown are left out.
func (d *Directory) Load(shard int, data []byte) error {
	records := map[Key]Record{}
	d.loaded[shard] = records
	if len(data) == 0 {
		return nil
	}
	compressed, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return errUnreadable
	}
	decoder := json.NewDecoder(io.LimitReader(compressed, maxDecoded))
	for read := 0; ; read++ {
		var record Record
		switch err := decoder.Decode(&record); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil || record.State == "" || read == 2*maxShardRecords:
			// More than a shard ever has would take gigabytes.
			return errUnreadable
		}
		if shardOf(record.Key, len(d.Shards)) == shard {
			records[record.Key] = record
		}
	}
}

// EncodeShard writes a loaded shard. Equal ones are equal in bytes.
func (d *Directory) EncodeShard(shard int) ([]byte, error) {
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	encoder := json.NewEncoder(writer)
	records := d.loaded[shard]
	for _, key := range sortedKeys(records) {
		if err := encoder.Encode(records[key]); err != nil {
			return nil, fmt.Errorf("encoding a shard of the directory: %w", errUnreadable)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("compressing a shard of the directory: %w", err)
	}
	if compressed.Len() > MaxShardBytes {
		return nil, ErrFull
	}
	return compressed.Bytes(), nil
}
