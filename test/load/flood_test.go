package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// A stranger's process is this test's binary with these variables.
const (
	envStranger = "LOAD_STRANGER" // host and port
	envIdle     = "LOAD_IDLE"
	envSending  = "LOAD_SENDING"
	envNetwork  = "LOAD_NETWORK" // the third byte of the addresses 127.0.x.y that it calls from
)

// perProcess bounds the connections of one stranger's process, whose files are bounded too.
const perProcess = 8000

func TestMain(m *testing.M) {
	if target := os.Getenv(envStranger); target != "" {
		beStrange(target)
		return
	}
	os.Exit(m.Run())
}

// beStrange keeps connections open until the process is killed: whenever one is closed, another one is made.
func beStrange(target string) {
	count := func(name string) int {
		n, _ := strconv.Atoi(os.Getenv(name)) // our own
		return n
	}
	network := byte(count(envNetwork))
	dialer := func(i int) *net.Dialer {
		return &net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, network, byte(1+i%200))}}
	}
	for i := range count(envIdle) {
		go again(func(ctx context.Context) { idle(ctx, dialer(i), target, i) })
	}
	for i := range count(envSending) {
		go again(func(ctx context.Context) { sending(ctx, dialer(i), target, i) })
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // ends with the test
}

// again does it again and again, with a pause that spreads them.
func again(do func(context.Context)) {
	for {
		time.Sleep(time.Duration(rand.Int64N(int64(8 * time.Second))))
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		do(ctx)
		cancel()
	}
}

// idle opens a connection and says nothing: every second one not even a handshake, every fourth half of a header.
func idle(ctx context.Context, dialer *net.Dialer, target string, i int) {
	raw, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	defer raw.Close()
	if i%2 == 0 {
		encrypted := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		if encrypted.HandshakeContext(ctx) != nil {
			return
		}
		if i%4 == 0 {
			_, _ = fmt.Fprintf(encrypted, "POST /v1/sales/koogallery HTTP/1.1\r\nHost: x\r\nX-Long: %s", strings.Repeat("x", 12<<10))
		}
	}
	_, _ = io.Copy(io.Discard, raw) // until it is closed
}

// sending sends a body of 65 kB, unsigned or with what looks like a signature, and slowly at its end.
func sending(ctx context.Context, dialer *net.Dialer, target string, i int) {
	raw, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(30 * time.Second)) // else a read waits for ever
	encrypted := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	if encrypted.HandshakeContext(ctx) != nil {
		return
	}
	signature := "none"
	if i%2 == 0 {
		signature = strings.Repeat("ab", 32)
	}
	const size = 65_000
	_, err = fmt.Fprintf(encrypted, "POST /v1/sales/koogallery?signature=%s&timestamp=%d&nonce=n%d HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		signature, time.Now().UnixMilli(), i, size, strings.Repeat("x", size-1))
	if err == nil {
		_, _ = io.Copy(io.Discard, encrypted) // until it is closed; the last byte never comes
	}
}

// strangers starts processes that keep connections open.
func strangers(t *testing.T, s *stand, idle, sending int) {
	t.Helper()
	network := 1
	start := func(name string, n int) {
		for n > 0 {
			share := min(n, perProcess)
			n -= share
			cmd := exec.Command(os.Args[0])
			cmd.Env = []string{envStranger + "=" + s.callback, name + "=" + strconv.Itoa(share), envNetwork + "=" + strconv.Itoa(network), "GOMEMLIMIT=1GiB"}
			network++
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				stdin.Close()
				_ = cmd.Process.Kill() // it may have ended
				_ = cmd.Wait()         // killed
			})
		}
	}
	start(envIdle, idle)
	start(envSending, sending)
}

// TestFloodOfStrangers holds 20,000 idle and 5,000 sending connections against the webhook, whose memory is that of the chart, and buys
// meanwhile, from an address that has bought before. Each purchase is tried as KooGallery does, up to three times.
func TestFloodOfStrangers(t *testing.T) {
	s := newStand(t)
	idle, sending := number(t, "FLOOD_IDLE", 20_000), number(t, "FLOOD_SENDING", 5_000)
	ends := time.Now().Add(duration(t, "FLOOD_DURATION", time.Minute))
	before := s.resident(t, "VmRSS")
	attempts := 0
	if !s.buys(t, "BEFORE", &attempts) {
		t.Fatal("the purchase before the flood was not taken")
	}
	strangers(t, s, idle, sending)

	var took []time.Duration
	attempts = 0
	open := 0.0
	for n := 0; time.Now().Before(ends); n++ {
		begun := time.Now()
		if !s.buys(t, fmt.Sprintf("FLOOD%d", n), &attempts) {
			t.Fatalf("purchase %d was not taken", n)
		}
		took = append(took, time.Since(begun))
		if now, err := s.gauges(t.Context(), "stallkeeper_connections_open"); err == nil {
			open = max(open, now["stallkeeper_connections_open"])
		}
		time.Sleep(200 * time.Millisecond)
	}
	slices.Sort(took)
	most := s.resident(t, "VmHWM")
	counted, err := s.gauges(t.Context(), "stallkeeper_connections_open", "stallkeeper_connections_shed_total", "stallkeeper_connections_refused_total")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d purchases in %d attempts; each took %s, the slowest %s", len(took), attempts, took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	t.Logf("memory: %d MiB before, %d MiB at most, %d MiB at the end; %.0f connections open at most; %v", before>>20, most>>20, s.resident(t, "VmRSS")>>20, open, counted)
	var sold v1alpha1.MarketplaceInstanceList
	if err := s.cluster.List(t.Context(), &sold, client.InNamespace("sales")); err != nil {
		t.Fatal(err)
	}
	if len(sold.Items) != len(took)+1 {
		t.Errorf("%d sales are stored, and %d were made", len(sold.Items), len(took)+1)
	}
	if most >= memoryLimit {
		t.Errorf("the webhook took %d MiB, and would have been killed", most>>20)
	}
	if counted["stallkeeper_connections_shed_total"] == 0 {
		t.Error("no connection was shed: there was no flood")
	}
}

// buys makes a purchase, and says whether it was taken.
func (s *stand) buys(t *testing.T, order string, attempts *int) bool {
	t.Helper()
	for range 3 {
		*attempts++
		exchange, err := s.caller.NewInstance(t.Context(), order, "1")
		if err == nil && exchange.ResultCode == koogallery.ResultInProgress {
			return true
		}
		if err != nil {
			t.Logf("%s: %v", order, err)
		} else {
			t.Logf("%s: answered %s", order, exchange.ResultCode)
		}
	}
	return false
}

// TestFloodOfTheSignOn does the same to the sign-on bridge. Its pages are for people of whom it knows nothing yet but that their address is none
// of the flood's. A page may have to be asked for again, as browsers and people do, where the machine has no time left for it.
func TestFloodOfTheSignOn(t *testing.T) {
	s := newStandOf(t, "login")
	idle, sending := number(t, "FLOOD_IDLE", 20_000), number(t, "FLOOD_SENDING", 5_000)
	if !s.showsPage(t) {
		t.Fatal("no page before the flood")
	}
	strangers(t, s, idle, sending)
	asked, shown := 0, 0
	for ends := time.Now().Add(duration(t, "FLOOD_DURATION", time.Minute)); time.Now().Before(ends); time.Sleep(200 * time.Millisecond) {
		asked++
		if s.showsPage(t) {
			shown++
		}
	}
	most := s.resident(t, "VmHWM")
	const shed, refused = "stallkeeper_connections_shed_total", "stallkeeper_connections_refused_total"
	counted, err := s.gauges(t.Context(), shed, refused)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d pages shown; %d MiB at most; %v", shown, asked, most>>20, counted)
	if shown*3 < asked {
		t.Errorf("%d of %d pages were shown while the flood lasted", shown, asked)
	}
	if most >= memoryLimit {
		t.Errorf("the bridge took %d MiB, and would have been killed", most>>20)
	}
	if counted[shed]+counted[refused] == 0 {
		t.Error("no connection was shed or refused: there was no flood")
	}
}

// showsPage says whether the bridge answers on a new connection that its login does not exist.
func (s *stand) showsPage(t *testing.T) bool {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: s.caller.TLS, DisableKeepAlives: true}
	browser := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	answer, err := browser.Get("https://" + s.callback + "/login/sales/nothing")
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusNotFound
}
