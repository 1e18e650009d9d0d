// How late does a goroutine wake that sleeps 1 ms again and again, beside what a bench lets run? The time runs from
// before the call, so a turn that the goroutine loses on its way into the sleep counts too.
package main

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	lateMost  = 1 << 20 // more than a bench has milliseconds
	lateSleep = time.Millisecond
)

var (
	lateAll     [lateMost]time.Duration
	lateCount   atomic.Int64
	lateOver    atomic.Bool
	lateSleeper sync.WaitGroup
)

// Returns when the sleeper is at it: how long a new goroutine waits for its first turn is another question.
func lateStart() {
	lateSleeper.Go(func() {
		for !lateOver.Load() {
			start := time.Now()
			time.Sleep(lateSleep)
			lateAll[lateCount.Load()] = time.Since(start) - lateSleep
			lateCount.Add(1)
		}
	})
	for lateCount.Load() == 0 {
		time.Sleep(lateSleep)
	}
}

// Prints the 99th percentile and the most. The sleep that is under way counts too: it may be the latest of all.
func lateReport(p99, most string) {
	lateOver.Store(true)
	lateSleeper.Wait()
	all := lateAll[:lateCount.Load()]
	slices.Sort(all)
	fmt.Printf("%s %.3f ms\n", p99, all[len(all)*99/100].Seconds()*1e3)
	fmt.Printf("%s %.3f ms\n", most, all[len(all)-1].Seconds()*1e3)
}
