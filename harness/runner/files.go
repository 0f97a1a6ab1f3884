package runner

import (
	"context"
	"fmt"
	"net"
	"path/filepath"

	"github.com/usptest/usptest/brokers/files"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
)

// files starts the server of firmware images, where the DUT file names some that the harness serves.
func (r *rig) files(ctx context.Context, vars *dut.Vars, s security) error {
	for n, i := range r.DUT.Firmware {
		if i.URL != "" {
			r.Files.Images = append(r.Files.Images, harness.Image{Version: i.Version, Bank: i.Bank, URL: i.URL})
			continue
		}
		if r.Files.Server == nil {
			o := files.Options{Addr: address(r.DUT.Bind, r.DUT.FileServer.Port)}
			if r.DUT.FileServer.Scheme == dut.HTTPS {
				o.TLS = s.collector
			}
			var err error
			if r.Files.Server, err = files.Start(ctx, r.Journal, o); err != nil {
				return fmt.Errorf("%w; %s", err, listenRemedy(err, "change fileServer.port in the DUT file"))
			}
		}
		content, size, err := r.DUT.Open(i)
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { content.Close() })
		path := fmt.Sprintf("/firmware/%d", n+1)
		if i.File != "" {
			path += filepath.Ext(i.File)
		}
		r.Files.Offer(path, content, size)
		_, port, err := net.SplitHostPort(r.Files.Addr())
		if err != nil {
			return err
		}
		url := r.DUT.FileServer.Scheme + "://" + net.JoinHostPort(vars.Host, port) + path
		r.Files.Images = append(r.Files.Images, harness.Image{Version: i.Version, Bank: i.Bank, URL: url, Size: size})
	}
	return nil
}
