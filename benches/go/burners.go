// What do 1,000 goroutines cost that each compute 20 ms of CPU time without any call, beside one that sleeps 1 ms in a
// loop: the wall time, how late the sleeper wakes, and how many threads there are at most?
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// Go keeps the threads it has made, so those at the end are the most there were, and nothing needs to watch.
func threads() int {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		panic(err)
	}
	return len(tasks)
}

func main() {
	size := 1000
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	rounds := burnRounds(20 * time.Millisecond)
	var all sync.WaitGroup
	lateStart()
	start := time.Now()
	for range size {
		all.Go(func() { burn(rounds) })
	}
	all.Wait()
	fmt.Printf("burners_wall %.3f ms\n", time.Since(start).Seconds()*1e3)
	lateReport("burners_late", "burners_late_max")
	fmt.Printf("burners_threads %d threads\n", threads())
}
