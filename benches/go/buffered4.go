// What does an element cost on its way from four producers to four consumers, over one channel that holds 128? What
// counts is the time from the first spawn until the last consumer has seen the end, divided by the elements.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const eachSide = 4

func main() {
	size := int64(4000000)
	if len(os.Args) > 1 {
		size, _ = strconv.ParseInt(os.Args[1], 10, 64)
	}
	size /= eachSide
	var producers, consumers sync.WaitGroup
	var total atomic.Int64
	ch := make(chan int64, 128)
	start := time.Now()
	for range eachSide {
		consumers.Go(func() {
			sum := int64(0)
			for value := range ch {
				sum += value
			}
			total.Add(sum)
		})
		producers.Go(func() {
			for i := range size {
				ch <- i
			}
		})
	}
	producers.Wait()
	close(ch)
	consumers.Wait()
	fmt.Printf("buffered4 %.3f ns\n", float64(time.Since(start))/float64(eachSide*size))
	if total.Load() != eachSide*(size*(size-1)/2) {
		panic("sum")
	}
}
