package directory

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	"github.com/stallkeeper/stallkeeper/stored"
)

const (
	// maxShardExpanded bounds what the records of a shard have together, in bytes of JSON: 10,000 are of 300 bytes as a rule.
	maxShardExpanded = 16 << 20
	// maxRecordBytes bounds one of them: a user has at most 1,100 characters, of which each may take six bytes.
	maxRecordBytes = 16 << 10
	// maxHeadParts bounds the members and elements of a head, together; maxRecordParts those of a record.
	maxHeadParts, maxRecordParts = 1 << 16, 64
)

// errUnreadable quotes nothing of what it could not read.
var errUnreadable = stored.ErrUnreadable

// Decode reads a head.
func Decode(head []byte) (*Directory, error) {
	d := &Directory{loaded: map[int]map[Key]Record{}, changed: map[int]bool{}}
	shards := 0
	if stored.Decode(head, &d.Head, maxHeadParts) == nil {
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
	limited := &io.LimitedReader{R: compressed, N: maxShardExpanded + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, 1<<10), maxRecordBytes)
	for read := 0; lines.Scan(); read++ {
		var record Record
		if stored.Decode(lines.Bytes(), &record, maxRecordParts) != nil || record.State == "" || read == 2*maxShardRecords {
			return errUnreadable
		}
		if shardOf(record.Key, len(d.Shards)) == shard {
			records[record.Key] = record
		}
	}
	if lines.Err() != nil || limited.N == 0 {
		return errUnreadable
	}
	return nil
}

// EncodeShard writes a loaded shard. Equal ones are equal in bytes.
func (d *Directory) EncodeShard(shard int) ([]byte, error) {
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	records := d.loaded[shard]
	expanded := 0
	for _, key := range sortedKeys(records) {
		line, err := json.Marshal(records[key])
		if err != nil {
			return nil, fmt.Errorf("encoding a shard of the directory: %w", errUnreadable)
		}
		// What is not read again is not written.
		if expanded += len(line) + 1; len(line) >= maxRecordBytes || expanded > maxShardExpanded {
			return nil, ErrFull
		}
		if _, err := writer.Write(append(line, '\n')); err != nil {
			return nil, fmt.Errorf("compressing a shard of the directory: %w", err)
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
