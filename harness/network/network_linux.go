package network

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Isolate has a command begin in a network namespace of its own, and in a user namespace where that is needed to be allowed to. It is
// called before the command is started. What it asks for can be refused by the system when the command is started; see Refused.
func Isolate(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
	if may(unix.CAP_SYS_ADMIN) { // no user namespace is needed
		return
	}
	cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
}

// may reports whether this process has a capability.
func may(capability int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<capability) != 0
}

// Refused wraps the error with which an isolated command could not be started, so that it says what to do.
func Refused(err error) error { return fmt.Errorf("%w: %w; %s", ErrUnavailable, err, Remedy) }

// Network is the harness's end of a wire. Its methods are safe for concurrent use.
type Network struct {
	// Interface is that of the harness's end.
	Interface string
	device    netns.NsHandle // closed where the device is no process of ours
}

// Open makes the wire in a process that Isolate has prepared: with a second namespace for the device, or, unless port is "", at a port of
// this computer that was moved to this process. The harness's end gets its addresses and is up. The error wraps ErrUnavailable.
func Open(port string) (*Network, error) {
	n := &Network{Interface: cmp.Or(port, harnessInterface), device: netns.None()}
	var err error
	if port == "" {
		err = n.pair()
	}
	if err == nil {
		err = n.address()
	}
	if err != nil {
		return nil, errors.Join(Refused(err), n.Close())
	}
	return n, nil
}

// pair makes the second namespace and the veth pair into it.
func (n *Network) pair() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	n.device, err = netns.New() // in which this thread then is
	if err != nil {
		return fmt.Errorf("a network namespace for the device: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if back := netns.Set(home); back != nil {
		runtime.LockOSThread() // this thread is lost; it ends with its goroutine
		return back
	}
	if err != nil {
		return err
	}
	// the name of the device's end is given to it where it arrives: here there may be another one of that name
	attrs := netlink.NewLinkAttrs()
	attrs.Name = n.Interface
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: DeviceInterface, PeerNamespace: netlink.NsFd(n.device)}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("a veth pair: %w", err)
	}
	there, err := netlink.NewHandleAt(n.device)
	if err != nil {
		return err
	}
	defer there.Close()
	end, err := there.LinkByName(DeviceInterface)
	if err != nil {
		return err
	}
	return there.LinkSetUp(end)
}

// addrGenModeNone is IN6_ADDR_GEN_MODE_NONE of Linux: no link-local address is made up.
const addrGenModeNone = 1

// address gives the harness's end its addresses. They are used at once: nobody else is there who could have them.
func (n *Network) address() error {
	for _, name := range []string{"lo", n.Interface} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
		if name == n.Interface {
			// no address that the system makes up and first tries for a second
			_ = netlink.LinkSetIP6AddrGenMode(link, addrGenModeNone)
			for _, prefix := range []netip.Prefix{IPv4(), IPv6(), LinkLocal()} {
				addr := &netlink.Addr{IPNet: &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}}
				if prefix.Addr().Is6() {
					addr.Flags = unix.IFA_F_NODAD
				}
				if err := netlink.AddrReplace(link, addr); err != nil {
					return fmt.Errorf("address %s on %s: %w", prefix, name, err)
				}
			}
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
	}
	return nil
}

// Start starts a command at the device's end of the wire.
func (n *Network) Start(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	if err := netns.Set(n.device); err != nil {
		return err
	}
	err = cmd.Start()
	if back := netns.Set(home); back != nil {
		runtime.LockOSThread() // this thread is lost; it ends with its goroutine
		return errors.Join(err, back)
	}
	return err
}

// Close gives the device's namespace up. Both ends go when nothing is in it any more.
func (n *Network) Close() error {
	if !n.device.IsOpen() {
		return nil
	}
	return n.device.Close()
}

// Port is a port of this computer that is lent to an isolated process. Several processes may know it: one lends it, and any of them takes
// it back.
type Port struct {
	name   string
	there  netns.NsHandle
	holder int // the pidfd of that process
	addrs  []netlink.Addr
	routes []netlink.Route
	// settings are what files below /proc/sys/net say of the port.
	settings map[string]string
	up       bool
}

// settings reads how a port is set up, which the system forgets when the port leaves.
func settings(name string) map[string]string {
	all := map[string]string{}
	for _, version := range []string{"ipv4", "ipv6"} {
		files, _ := filepath.Glob(filepath.Join("/proc/sys/net", version, "conf", name, "*"))
		for _, file := range files {
			if value, err := os.ReadFile(file); err == nil { // what has no value cannot be read
				all[file] = string(value)
			}
		}
	}
	return all
}

// Lendable says why the port of that name cannot be lent; nil: it can. Nothing is done to it.
func Lendable(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("lab.network.interface %s: %w; ip link lists the interfaces of this computer", name, err)
	}
	if err := unused(link); err != nil {
		return fmt.Errorf("lab.network.interface %s: %w", name, err)
	}
	if !may(unix.CAP_NET_ADMIN) {
		return fmt.Errorf("lab.network.interface %s: %w: only root may lend a port of this computer; run usptest as root",
			name, ErrUnavailable)
	}
	return nil
}

// unused wants no other interface of this computer to depend on a port. A bridge or bond would lose it as a member, and a VLAN that is
// made on it would end, when the port moves to another namespace; neither comes back with it.
func unused(port netlink.Link) error {
	all, err := netlink.LinkList()
	if err != nil {
		return err
	}
	name := port.Attrs().Name
	for _, other := range all {
		a := other.Attrs()
		switch {
		case a.Index == port.Attrs().MasterIndex:
			return fmt.Errorf("the port is a member of %s (%s), which would lose it: before the run, ip link set %s nomaster "+
				"takes it out; afterwards, ip link set %s master %s puts it back", a.Name, other.Type(), name, name, a.Name)
		case a.ParentIndex == port.Attrs().Index && a.NetNsID < 0 && other.Type() != "veth": // which names its other end there
			return fmt.Errorf("%s (%s) is made on the port, and would end when the port is lent: ip link del %s deletes it "+
				"before the run; make it again afterwards, or name another port", a.Name, other.Type(), a.Name)
		}
	}
	return nil
}

// Know remembers what the port of that name has, so that it can be lent to a process and taken back.
func Know(name string, pid int) (*Port, error) {
	if err := Lendable(name); err != nil {
		return nil, err
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, err
	}
	p := &Port{name: name, settings: settings(name), up: link.Attrs().Flags&net.FlagUp != 0}
	if p.addrs, err = netlink.AddrList(link, netlink.FAMILY_ALL); err != nil {
		return nil, err
	}
	everyTable := &netlink.Route{LinkIndex: link.Attrs().Index, Table: unix.RT_TABLE_UNSPEC}
	const filter = netlink.RT_FILTER_OIF | netlink.RT_FILTER_TABLE
	if p.routes, err = netlink.RouteListFiltered(netlink.FAMILY_ALL, everyTable, filter); err != nil {
		return nil, err
	}
	// the table of local addresses is the system's own work
	p.routes = slices.DeleteFunc(p.routes, func(r netlink.Route) bool { return r.Table == unix.RT_TABLE_LOCAL })
	if p.holder, err = unix.PidfdOpen(pid, 0); err != nil {
		return nil, err
	}
	if p.there, err = netns.GetFromPid(pid); err != nil {
		return nil, errors.Join(err, unix.Close(p.holder))
	}
	return p, nil
}

// Lend moves the port to the network namespace of the process, with which nothing else of this computer is touched.
func (p *Port) Lend() error {
	link, err := netlink.LinkByName(p.name)
	if err == nil {
		err = netlink.LinkSetNsFd(link, int(p.there))
	}
	if err != nil {
		return fmt.Errorf("lab.network.interface %s: %w; %s", p.name, err, Remedy)
	}
	return nil
}

// Forget gives up what was remembered. The port stays where it is.
func (p *Port) Forget() error { return errors.Join(p.there.Close(), unix.Close(p.holder)) }

// Had says which addresses and routes the port had before it was lent.
func (p *Port) Had() string {
	var parts []string
	for _, addr := range p.addrs {
		parts = append(parts, addr.IPNet.String())
	}
	for _, route := range p.routes {
		if route.Protocol != unix.RTPROT_KERNEL {
			parts = append(parts, fmt.Sprintf("a route to %v via %v", route.Dst, route.Gw))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "no address")
}

// Return waits until the process that has the port has ended, and takes the port back with the addresses and routes that it had. It does
// the rest where another process began to.
func (p *Port) Return() error {
	err := p.fetch()
	var link netlink.Link
	if err == nil {
		link, err = netlink.LinkByName(p.name)
	}
	if err != nil {
		return fmt.Errorf("interface %s did not come back: %w; before the run it had %s", p.name, err, p.Had())
	}
	var failures []error
	now := settings(p.name)
	for _, file := range slices.Sorted(maps.Keys(p.settings)) {
		if value := p.settings[file]; value != now[file] {
			failures = append(failures, os.WriteFile(file, []byte(value), 0))
		}
	}
	if p.up {
		failures = append(failures, netlink.LinkSetUp(link))
	}
	for _, addr := range p.addrs {
		const kept = unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MANAGETEMPADDR
		failures = append(failures, netlink.AddrReplace(link, &netlink.Addr{IPNet: addr.IPNet, Label: addr.Label, Scope: addr.Scope,
			Broadcast: addr.Broadcast, Flags: addr.Flags & kept, ValidLft: addr.ValidLft, PreferedLft: addr.PreferedLft}))
	}
	for _, route := range p.routes {
		route.LinkIndex = link.Attrs().Index
		route.Flags &= unix.RTNH_F_ONLINK // the others are what the kernel says of the port, and it refuses them
		if err := netlink.RouteReplace(&route); err != nil && !errors.Is(err, unix.EEXIST) && route.Protocol != unix.RTPROT_KERNEL {
			failures = append(failures, err)
		}
	}
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("interface %s: its addresses and settings could not be put back: %w; before the run it had %s", p.name, err, p.Had())
	}
	return nil
}

// fetch waits until the process that has the port has ended, and moves the port here unless it is no longer there.
func (p *Port) fetch() error {
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(p.holder), Events: unix.POLLIN}}, -1)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := netlink.NewHandleAt(p.there)
	if err != nil {
		return err
	}
	defer there.Close()
	link, err := there.LinkByName(p.name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	return there.LinkSetNsFd(link, int(home))
}
