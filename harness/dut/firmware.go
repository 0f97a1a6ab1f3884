package dut

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strconv"
)

// FirmwareImage is an image that the device can run.
type FirmwareImage struct {
	// File is the path of the image, which the harness serves; URL is where somebody else does. Exactly one of the two is set, or Content.
	File, URL string
	// Version is what Device.DeviceInfo.SoftwareVersion shows once the image runs.
	Version string
	// Bank is the instance number of the one bank of Device.DeviceInfo.FirmwareImage. that the image is for; 0 for any.
	Bank int
	// Content stands for a File in a DUT file that was made in Go.
	Content []byte
}

// The values of FileServerSpec.Scheme.
const (
	HTTP  = "http"
	HTTPS = "https"
)

// FileServerSpec says how the harness serves the images.
type FileServerSpec struct {
	Scheme string // HTTPS unless the file says otherwise
	Port   int    // 0 lets the system choose
}

// Open opens the image for the file server. The caller closes it.
func (f *File) Open(i FirmwareImage) (content interface {
	io.ReaderAt
	io.Closer
}, size int64, err error) {
	if i.Content != nil {
		return inMemory{bytes.NewReader(i.Content)}, int64(len(i.Content)), nil
	}
	file, err := os.Open(f.resolve(i.File))
	if err != nil {
		return nil, 0, fmt.Errorf("firmware: %w", err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("firmware: %s is not a regular file", i.File)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// inMemory is the content of an image that has no file.
type inMemory struct{ *bytes.Reader }

// Close implements io.Closer.
func (inMemory) Close() error { return nil }

// maxBank bounds the instance number of a bank.
const maxBank = 1 << 16

// firmware is one image.
func (d *fileDecoder) firmware() kind {
	var i FirmwareImage
	k := d.aMapping(
		field{"version", true, "what Device.DeviceInfo.SoftwareVersion shows when the image runs, in quotes", d.aLine(&i.Version)},
		field{"file", false, "its path, relative to the folder of this file; usptest " +
			"serves it", d.then(d.aLine(&i.File), func(v value) { d.regular(v, i.File) })},
		field{"url", false, "the URL at which the lab serves it, instead of " +
			"file", kind{Schema{Type: "string", Pattern: `^https?://`}, func(v value) {
			if !d.filled(v, &i.URL) {
				return
			}
			if u, err := url.Parse(i.URL); err != nil || u.Scheme != HTTP && u.Scheme != HTTPS || u.Hostname() == "" || u.User != nil {
				d.add(v, strconv.Quote(i.URL), "a URL such as https://192.168.1.10/image.bin, without a user name", "")
			}
		}}},
		field{"bank", false, "the number of the only bank of Device.DeviceInfo.FirmwareImage. that it fits; without this key, it fits " +
			"any", d.aNumber(&i.Bank, 1, maxBank)},
	)
	k.schema.AllOf = []condition{
		{map[string]any{"not": map[string]any{"required": []string{"file"}}}, map[string]any{"required": []string{"url"}}},
	}
	return kind{k.schema, func(v value) {
		faults := len(d.problems)
		if k.read(v); len(d.problems) == faults && (i.File == "") == (i.URL == "") {
			d.add(v, "both or neither of file and url", "one of them", "")
		}
		d.f.Firmware = append(d.f.Firmware, i)
	}}
}

// regular records a problem when an image is not a file that can be read.
func (d *fileDecoder) regular(v value, path string) {
	file, err := os.Open(resolve(d.root, path))
	var info fs.FileInfo
	if err == nil {
		info, err = file.Stat()
		_ = file.Close() // it was only looked at
	}
	switch {
	case err != nil:
		d.add(v, strconv.Quote(path), "a file that can be read", reason(err))
	case !info.Mode().IsRegular():
		d.add(v, strconv.Quote(path), "a file", "it is not a regular file")
	case info.Size() == 0:
		d.add(v, strconv.Quote(path), "a firmware image", "the file is empty")
	}
}

// fileServer is how images are served.
func (d *fileDecoder) fileServer() kind {
	scheme := d.aWord(&d.f.FileServer.Scheme, HTTPS, HTTP)
	scheme.schema.Default = HTTPS
	return d.aMapping(
		field{"scheme", false, "https, with a certificate of the authority under tls; or http, for a device that downloads over it", scheme},
		field{"port", false, "its port; 0 picks a free one", d.aNumber(&d.f.FileServer.Port, 0, maxPort)},
	)
}

// firmwareTree are the images as Write writes them.
func (f *File) firmwareTree() (images []any) {
	for _, i := range f.Firmware {
		images = append(images, filled("file", i.File, "url", i.URL, "version", i.Version, "bank", i.Bank))
	}
	return images
}

// tree is how Write writes it, without what goes without saying.
func (s FileServerSpec) tree() map[string]any {
	if s.Scheme == HTTPS {
		s.Scheme = ""
	}
	return filled("scheme", s.Scheme, "port", s.Port)
}
