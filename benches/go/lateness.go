// How late do 1,000 goroutines wake that each sleep 1 ms, 1,000 times? Lateness runs from before the call, as that of
// sleepers.go; none may wake early. Beside it the CPU time of all, per sleep.
package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

func main() {
	const sleepers = 1000
	size := 1000
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	count := sleepers * size
	late := make([]time.Duration, count)
	for i := range late {
		late[i] = 1 // the memory is there before the clock runs
	}
	var all sync.WaitGroup
	before := sleepersCPUSeconds()
	for i := range sleepers {
		mine := late[i*size : (i+1)*size]
		all.Go(func() {
			for j := range mine {
				start := time.Now()
				time.Sleep(time.Millisecond)
				mine[j] = time.Since(start) - time.Millisecond
			}
		})
	}
	all.Wait()
	used := sleepersCPUSeconds() - before
	slices.Sort(late)
	if late[0] < 0 {
		panic("one woke early")
	}
	fmt.Printf("lateness_p50 %.3f us\n", late[count/2].Seconds()*1e6)
	fmt.Printf("lateness_p99 %.3f us\n", late[count*99/100].Seconds()*1e6)
	fmt.Printf("lateness_max %.3f us\n", late[count-1].Seconds()*1e6)
	fmt.Printf("lateness_cpu %.3f ns\n", used/float64(count)*1e9)
}
