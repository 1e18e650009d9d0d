// How long does a value take to another goroutine and back, over two unbuffered channels?
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	size := int64(1000000)
	if len(os.Args) > 1 {
		size, _ = strconv.ParseInt(os.Args[1], 10, 64)
	}
	ping, pong := make(chan int64), make(chan int64)
	go func() {
		for value := range ping {
			pong <- value
		}
	}()
	sum := int64(0)
	start := time.Now()
	for i := range size {
		ping <- i
		sum += <-pong
	}
	fmt.Printf("pingpong %.3f ns\n", float64(time.Since(start))/float64(size))
	close(ping)
	if sum != size*(size-1)/2 {
		panic("sum")
	}
}
