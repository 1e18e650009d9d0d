// What do many goroutines cost that sleep at the same time, each once and for a random time, and how late do they wake?
// The wall time has the longest sleep as its floor; what is above it, and the CPU time, is the price. Lateness runs
// from before the call, so a turn that a goroutine loses on its way into the sleep counts too. None may wake early.
package main

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"
)

func sleepersSleep(ns *time.Duration) {
	start := time.Now()
	time.Sleep(*ns)
	*ns = time.Since(start) - *ns
}

func sleepersCPUSeconds() float64 {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()).Seconds()
}

// Runs it; NAME_wall and so on is what it reports.
func sleepersRun(name string, count int, longest time.Duration) {
	all := make([]time.Duration, count) // of each: for how long, and when it has slept, how late it woke
	var group sync.WaitGroup
	random := uint64(1)
	start := time.Now()
	for i := range all {
		random = random*6364136223846793005 + 1442695040888963407
		all[i] = time.Duration(random >> 27 % uint64(longest))
		group.Go(func() { sleepersSleep(&all[i]) })
	}
	group.Wait()
	fmt.Printf("%s_wall %.6f s\n", name, time.Since(start).Seconds())
	fmt.Printf("%s_cpu %.6f s\n", name, sleepersCPUSeconds())

	slices.Sort(all)
	if all[0] < 0 {
		panic(fmt.Sprintf("%s: one woke %v early", name, -all[0]))
	}
	fmt.Printf("%s_late_p50 %.3f us\n", name, all[count/2].Seconds()*1e6)
	fmt.Printf("%s_late_p99 %.3f us\n", name, all[count*99/100].Seconds()*1e6)
}
