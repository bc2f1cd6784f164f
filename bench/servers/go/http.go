// The same answer by net/http, which parses the request and makes the headers.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func giveUp(what string, err error) {
	fmt.Fprintf(os.Stderr, "cannot %s: %v\n", what, err)
	os.Exit(1)
}

func main() {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		giveUp("listen", err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	http.HandleFunc("/", func(reply http.ResponseWriter, _ *http.Request) {
		reply.Header().Set("Content-Type", "text/plain")
		io.WriteString(reply, "Hello, World!\n")
	})
	giveUp("serve", http.Serve(listener, nil))
}
