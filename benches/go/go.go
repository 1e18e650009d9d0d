// What does a goroutine cost from its spawn to its end, and how much memory do a million of them take that nobody
// waits for? The function is empty: this is all overhead.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

//go:noinline
func nothing() {}

func main() {
	size := 1000000
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	start := time.Now()
	for range size {
		go nothing()
	}
	spawned := time.Now()
	for runtime.NumGoroutine() > 1 { // one is ours
		runtime.Gosched()
	}
	fmt.Printf("go %.3f ns\n", float64(time.Since(start))/float64(size))
	fmt.Printf("go_spawn %.3f ns\n", float64(spawned.Sub(start))/float64(size))
	fmt.Printf("go_peak %.3f MB\n", float64(memoryKiB("VmHWM:"))*1024/1e6)
}
