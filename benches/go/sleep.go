// What do 100,000 goroutines cost that sleep at the same time, each for a random 0 to 100 ms? The wall time has 100 ms
// as its floor; what is above it, and the CPU time, is the price.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func cpuSeconds() float64 {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()).Seconds()
}

func main() {
	size := 100000
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	var all sync.WaitGroup
	random := uint64(1)
	start := time.Now()
	for range size {
		random = random*6364136223846793005 + 1442695040888963407
		ns := time.Duration(random >> 33 % 100000000)
		all.Go(func() { time.Sleep(ns) })
	}
	all.Wait()
	fmt.Printf("sleep_wall %.3f s\n", time.Since(start).Seconds())
	fmt.Printf("sleep_cpu %.3f s\n", cpuSeconds())
}
