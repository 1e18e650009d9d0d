// How late does a sleeper wake while as many goroutines as there are Ps compute 500 ms without any call? It sleeps 1 ms
// in a loop.
package main

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

func main() {
	size := 500
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	rounds := burnRounds(time.Duration(size) * time.Millisecond)
	var all sync.WaitGroup
	lateStart()
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() { burn(rounds) })
	}
	all.Wait()
	lateReport("hogs_late", "hogs_late_max")
}
