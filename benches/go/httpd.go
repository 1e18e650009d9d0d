// The files below a directory by HTTP, as examples/httpd.c serves them. Ends when it is killed.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("httpd: http://%s/\n", listener.Addr())
	// The timeouts of the other.
	server := http.Server{
		Handler:      http.FileServer(http.Dir(os.Args[1])),
		IdleTimeout:  60 * time.Second,
		ReadTimeout:  10 * time.Second,
		WriteTimeout: 30 * time.Second,
	}
	panic(server.Serve(listener))
}
