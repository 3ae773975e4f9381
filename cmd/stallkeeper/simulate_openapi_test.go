package main

import (
	"bufio"
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestSimulatedOpenAPIAnswersPostedOrders(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	printed, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		api := koogallerytest.NewOpenAPI(koogallerytest.OpenAPIOptions{AK: "ak", SK: "sk", OrdersPath: ordersPath})
		ended <- serveFake(ctx, "127.0.0.1:0", certificateFiles{}, api, out, openAPIReady)
	}()
	lines := bufio.NewScanner(printed)
	var base string
	for base == "" && lines.Scan() {
		if _, address, found := strings.Cut(lines.Text(), "spec.openAPIURL of a Marketplace  "); found {
			base = address
		}
	}
	// Nobody may be kept waiting for a reader of the lines that follow.
	go func() { _, _ = io.Copy(io.Discard, printed) }()

	order := `{"orderId":"CS1","orderType":"NEW","createTime":"20270101000000","orderLine":[{"orderLineId":"CS1-000001",
		"chargingMode":"PERIOD","expireTime":"20280101000000","productInfo":[{"productId":"P","skuCode":"S","linearValue":3}]}]}`
	answer, err := http.Post(base+ordersPath, "application/json", strings.NewReader(order))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		t.Fatalf("posting an order: status %d", answer.StatusCode)
	}
	client := &openapi.Client{BaseURL: base, AK: "ak", SK: "sk", HTTP: http.DefaultClient, Clock: time.Now}
	got, _, err := client.QueryOrder(ctx, "CS1", "CS1-000001")
	if err != nil {
		t.Fatal(err)
	}
	line, found := got.Line("CS1-000001")
	if !found || len(line.Items) != 1 || line.Items[0].SKUCode != "S" || line.Items[0].Quantity == nil || *line.Items[0].Quantity != 3 {
		t.Errorf("the order query answers %+v", got.Lines)
	}

	stop()
	if err := <-ended; err != nil {
		t.Errorf("ending the server: %v", err)
	}
}
