// How long does a value take from one goroutine to the next, around a ring of 1,000 that unbuffered channels join? One
// value is under way, so one goroutine runs and all others wait. What counts is the time per step.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

const members = 1000

// Passes on one more than came, until its channel is closed, and then closes the next. The last one is main.
func member(from <-chan int64, to chan<- int64) {
	for value := range from {
		to <- value + 1
	}
	close(to)
}

func main() {
	rounds := int64(2000000)
	if len(os.Args) > 1 {
		rounds, _ = strconv.ParseInt(os.Args[1], 10, 64)
	}
	rounds /= members
	var chans [members]chan int64
	for i := range chans {
		chans[i] = make(chan int64)
	}
	for i := range members - 1 {
		go member(chans[i], chans[i+1])
	}
	first, last := chans[0], chans[members-1]
	value := int64(0)
	start := time.Now()
	for range rounds {
		first <- value + 1
		value = <-last
	}
	fmt.Printf("ring %.3f ns\n", float64(time.Since(start))/float64(rounds*members))
	close(first)
	if _, more := <-last; more || value != rounds*members {
		panic("value")
	}
}
