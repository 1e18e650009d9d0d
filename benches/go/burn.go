// Computing for a certain CPU time without any call: a loop, and how often it goes round in that time.
package main

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// Each round needs the one before, so neither a compiler nor a neighbour on the same core changes much about it.
//
//go:noinline
func burn(rounds int64) {
	x := uint64(1)
	for range rounds {
		x = x*6364136223846793005 + 1442695040888963407
	}
	if x == 0 { // never, but the compiler does not know
		panic("x")
	}
}

func burnThreadTime() time.Duration {
	const clockThreadCputimeID = 3
	var t syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockThreadCputimeID, uintptr(unsafe.Pointer(&t)), 0)
	return time.Duration(t.Nano())
}

// How many rounds take this CPU time on one thread. The fastest of ten tries: other programs disturb the others.
func burnRounds(cpu time.Duration) int64 {
	const try = 5000000
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	best := time.Hour
	for range 10 {
		start := burnThreadTime()
		burn(try)
		best = min(best, burnThreadTime()-start)
	}
	return int64(try * cpu.Seconds() / best.Seconds())
}
