// What does it cost to ask a channel that is empty, and holds 1, for a value, by a call that never waits?
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	size := 100000000
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	ch := make(chan int64, 1)
	found := int64(0)
	start := time.Now()
	for range size {
		select {
		case value := <-ch:
			found += 1 + value
		default:
		}
	}
	fmt.Printf("try_recv %.3f ns\n", float64(time.Since(start))/float64(size))
	if found != 0 {
		panic("found")
	}
}
