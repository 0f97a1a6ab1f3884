package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// maxReply bounds a saved reply, in bytes; the whole of TR-181 takes half a megabyte.
const maxReply = 64 << 20

// savedReply reads a GetSupportedDMResp from a file or from the journals of a run.
func savedReply(path string) (*usppb.GetSupportedDMResp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return replyOfRun(path)
	}
	if filepath.Base(path) == runFile {
		return replyOfRun(filepath.Dir(path))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxReply+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxReply {
		return nil, fmt.Errorf("%s is larger than %d MB, too large for a supported data model", path, maxReply>>20)
	}
	r, err := replyIn(b)
	if err != nil {
		return nil, fmt.Errorf("%s is not a GetSupportedDMResp: %w; want a USP Record or Message as on the wire, "+
			"one in protobuf's JSON, or a run's folder", path, err)
	}
	return r, nil
}

// maxCommas bounds JSON, whose small elements take much memory. The whole of TR-181 has 50,000 commas.
const maxCommas = 1 << 20

// replyIn finds a GetSupportedDMResp in bytes. The error says what is there instead.
func replyIn(b []byte) (*usppb.GetSupportedDMResp, error) {
	m := &usppb.Msg{}
	if text := bytes.TrimSpace(b); bytes.HasPrefix(text, []byte("{")) {
		if bytes.Count(text, []byte(",")) > maxCommas {
			return nil, fmt.Errorf("JSON with more than %d commas", maxCommas)
		}
		var r usppb.GetSupportedDMResp
		if protojson.Unmarshal(text, &r) == nil {
			return &r, nil
		}
		if err := protojson.Unmarshal(text, m); err != nil {
			return nil, err
		}
	} else {
		if r, err := usp.ParseRecord(b); err == nil && len(usp.PayloadOf(r)) > 0 {
			b = usp.PayloadOf(r)
		}
		var err error
		if m, err = usp.ParseMessage(b); err != nil {
			return nil, err
		}
	}
	r := m.GetBody().GetResponse().GetGetSupportedDmResp()
	if r == nil {
		return nil, errors.New(usp.TypeName(m.GetHeader().GetMsgType()))
	}
	return r, nil
}

// replyOfRun is the fullest reply about all of Device. in the journals of a run.
func replyOfRun(dir string) (*usppb.GetSupportedDMResp, error) {
	var best *usppb.GetSupportedDMResp
	most := 0
	err := filepath.WalkDir(filepath.Join(dir, journalDir), func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(name) != ".jsonl" {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		for e, err := range result.WholeJournal(dir, filepath.ToSlash(rel)) {
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if e.Dir != "in" || len(e.Raw) <= most || !strings.Contains(e.Decoded, usp.TypeName(usp.GetSupportedDMResp)) {
				continue
			}
			if r, err := replyIn(e.Raw); err == nil && ofRoot(r) {
				best, most = r, len(e.Raw)
			}
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no journals; want the folder that a run wrote", dir)
	}
	if err == nil && best == nil {
		err = fmt.Errorf("no case of the run in %s asked for all of Device.; case 1.76 does, or ask the device with --dut", dir)
	}
	return best, err
}

// ofRoot reports whether a reply is about all of Device. and has parameters.
func ofRoot(r *usppb.GetSupportedDMResp) bool {
	for _, q := range r.GetReqObjResults() {
		if q.GetReqObjPath() != "Device." || q.GetErrCode() != 0 {
			continue
		}
		for _, o := range q.GetSupportedObjs() {
			if strings.Count(o.GetSupportedObjPath(), ".") > 1 && len(o.GetSupportedParams()) > 0 {
				return true
			}
		}
	}
	return false
}
