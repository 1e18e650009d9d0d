// What does a value cost that a select receives, from four channels with a sender each? Over unbuffered channels the
// senders wait for the select, or it for them; over channels that hold 128 it mostly finds a value there.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

const senders = 4

func measure(name string, size int64, capacity int) {
	var chans [senders]chan int64
	for i := range chans {
		chans[i] = make(chan int64, capacity)
	}
	a, b, c, d := chans[0], chans[1], chans[2], chans[3]
	sum := int64(0)
	start := time.Now()
	for _, ch := range chans {
		go func() {
			for i := range size {
				ch <- i
			}
		}()
	}
	for range senders * size {
		select {
		case value := <-a:
			sum += value
		case value := <-b:
			sum += value
		case value := <-c:
			sum += value
		case value := <-d:
			sum += value
		}
	}
	fmt.Printf("%s %.3f ns\n", name, float64(time.Since(start))/float64(senders*size))
	if sum != senders*(size*(size-1)/2) {
		panic("sum")
	}
}

func main() {
	size := int64(2000000)
	if len(os.Args) > 1 {
		size, _ = strconv.ParseInt(os.Args[1], 10, 64)
	}
	size /= senders
	measure("select_unbuffered", size, 0)
	measure("select_buffered", size, 128)
}
