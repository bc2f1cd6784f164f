// The constant answer over Go's net: a goroutine a connection.
package main

import (
	"fmt"
	"net"
	"os"
)

const answer = "HTTP/1.1 200 OK\r\n" +
	"Content-Type: text/plain\r\n" +
	"Content-Length: 14\r\n" +
	"\r\n" +
	"Hello, World!\n"

func giveUp(what string, err error) {
	fmt.Fprintf(os.Stderr, "cannot %s: %v\n", what, err)
	os.Exit(1)
}

func serve(connection net.Conn) {
	defer connection.Close()
	var request [1024]byte
	reply := []byte(answer)
	for {
		if _, err := connection.Read(request[:]); err != nil {
			return
		}
		if _, err := connection.Write(reply); err != nil {
			return
		}
	}
}

func main() {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		giveUp("listen", err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			giveUp("accept", err)
		}
		go serve(connection)
	}
}
