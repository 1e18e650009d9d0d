// What do 1,000,000 goroutines cost that all wait on a channel: how long until all are there and wait, how much memory
// does each hold, and how long until a close has woken all and all have ended? Memory is what is resident and the page
// tables.
//
// And how much of its greatest resident memory does the process still hold some seconds later? The second argument says
// how many; with 0 this is not asked.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

var (
	gate           = make(chan struct{})
	arrived, ended sync.WaitGroup
)

func parked() {
	arrived.Done()
	<-gate
	ended.Done()
}

func bothKiB() int64 {
	return memoryKiB("VmRSS:") + memoryKiB("VmPTE:")
}

func main() {
	size, rest := 1000000, 3
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	if len(os.Args) > 2 {
		rest, _ = strconv.Atoi(os.Args[2])
	}
	arrived.Add(size)
	ended.Add(size)
	beforeKiB := bothKiB()

	start := time.Now()
	for range size {
		go parked()
	}
	arrived.Wait()
	fmt.Printf("parked_create %.6f s\n", time.Since(start).Seconds())

	// The last ones to arrive still have to park, and what the runtime does on the side may come to its end.
	time.Sleep(100 * time.Millisecond)
	fmt.Printf("parked_bytes %.3f B\n", float64(bothKiB()-beforeKiB)*1024/float64(size))

	start = time.Now()
	close(gate)
	ended.Wait()
	fmt.Printf("parked_release %.6f s\n", time.Since(start).Seconds())

	if rest > 0 {
		time.Sleep(time.Duration(rest) * time.Second)
		fmt.Printf("parked_left %.3f %%\n", 100*float64(memoryKiB("VmRSS:"))/float64(memoryKiB("VmHWM:")))
	}
}
