// How much do calls that block in the kernel, and of which the runtime is not told, hold up the rest? Eight goroutines
// block 100 ms, five times each; another sleeps 1 ms in a loop. The wall time has 500 ms as its floor.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// RawSyscall tells the scheduler nothing, unlike Syscall. The signals by which it asks for the end of a time slice
// interrupt the sleep.
func block() {
	left := syscall.Timespec{Nsec: 100000000}
	pointer := unsafe.Pointer(&left)
	for {
		_, _, errno := syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(pointer), uintptr(pointer), 0)
		if errno == 0 {
			return
		}
		if errno != syscall.EINTR {
			panic(errno)
		}
	}
}

func main() {
	size := 5
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	var all sync.WaitGroup
	lateStart()
	start := time.Now()
	for range 8 {
		all.Go(func() {
			for range size {
				block()
			}
		})
	}
	all.Wait()
	fmt.Printf("blockers_wall %.3f ms\n", time.Since(start).Seconds()*1e3)
	lateReport("blockers_late", "blockers_late_max")
}
