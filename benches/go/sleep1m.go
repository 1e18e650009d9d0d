// What do 1,000,000 goroutines cost that sleep at the same time, each for a random 0 to 1000 ms? See sleepers.go.
package main

import (
	"os"
	"strconv"
	"time"
)

func main() {
	size := 1000000
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	sleepersRun("sleep1m", size, time.Second)
}
