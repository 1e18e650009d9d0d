// How many requests does an echo server answer, and what does each cost? 64 connections, a goroutine each, 64 bytes a
// request. The server has one CPU, by its affinity, and echo_client another.
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func serve(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			break
		}
		if _, err := c.Write(buf[:n]); err != nil {
			break
		}
	}
	c.Close()
}

func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func main() {
	size := 3000
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	before, start := cpu(), time.Now()
	out, err := exec.Command(os.Getenv("ECHO_CLIENT"), port, strconv.Itoa(size)).Output()
	if err != nil {
		panic(err)
	}
	took, used := time.Since(start).Seconds(), cpu()-before
	answers, _ := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	fmt.Printf("echo %.3f requests/s\n", answers/took)
	fmt.Printf("echo_cpu %.3f us/request\n", used/answers*1e6)
}
