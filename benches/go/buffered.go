// What does an element cost on its way from one producer to one consumer, over a channel that holds 128?
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	size := int64(10000000)
	if len(os.Args) > 1 {
		size, _ = strconv.ParseInt(os.Args[1], 10, 64)
	}
	ch := make(chan int64, 128)
	sum := int64(0)
	start := time.Now()
	go func() {
		for i := range size {
			ch <- i
		}
		close(ch)
	}()
	for value := range ch {
		sum += value
	}
	fmt.Printf("buffered %.3f ns\n", float64(time.Since(start))/float64(size))
	if sum != size*(size-1)/2 {
		panic("sum")
	}
}
