package manifest

import "fmt"

// fargateRow is one CPU size of Fargate with the memory it may have, MiB.
type fargateRow struct{ cpu, least, most, step int }

// fargateRows are the task sizes of Linux tasks, platform version 1.4.0,
// from "Amazon ECS task definition parameters for Fargate: task size". The
// first row's 512, 1024, 2048 is the one that is not evenly spaced.
var fargateRows = []fargateRow{
	{256, 512, 2048, 0},
	{512, 1024, 4096, 1024},
	{1024, 2048, 8192, 1024},
	{2048, 4096, 16384, 1024},
	{4096, 8192, 30720, 1024},
	{8192, 16384, 61440, 4096},
	{16384, 32768, 122880, 8192},
}

// FargateSizeError says which of cpu and memory Fargate cannot give.
type FargateSizeError struct {
	Key     string // cpu or memory
	Message string
	Hint    string
}

func (e *FargateSizeError) Error() string {
	return fmt.Sprintf("%s: %s; %s", e.Key, e.Message, e.Hint)
}

// FargateSize is the task size that holds a container of so many CPU units
// and MiB: the next CPU size, then the next memory size of that CPU size. It
// never gives less than was asked for; the error is a *FargateSizeError.
func FargateSize(cpu, memory int) (taskCPU, taskMemory int, err error) {
	for _, row := range fargateRows {
		if row.cpu < cpu {
			continue
		}
		if memory > row.most {
			return 0, 0, memoryTooLarge(row, memory)
		}
		return row.cpu, row.fit(memory), nil
	}
	largest := fargateRows[len(fargateRows)-1].cpu
	return 0, 0, &FargateSizeError{"cpu",
		fmt.Sprintf("%d CPU units are more than a Fargate task can have", cpu),
		fmt.Sprintf("the largest size is %d (%d vCPU)", largest, largest/1024)}
}

// fit is the smallest memory size of the row that holds so many MiB.
func (r fargateRow) fit(memory int) int {
	size := r.least
	for size < memory {
		if r.step == 0 {
			size *= 2
		} else {
			size += r.step
		}
	}
	return size
}

func memoryTooLarge(row fargateRow, memory int) error {
	message := fmt.Sprintf("%d MiB do not fit a Fargate task of %d CPU units, which has at most %d", memory, row.cpu, row.most)
	for _, larger := range fargateRows {
		if larger.most >= memory && larger.cpu > row.cpu {
			return &FargateSizeError{"memory", message, fmt.Sprintf("set cpu to more than %d, up to %d, to get room for it", larger.cpu/2, larger.cpu)}
		}
	}
	last := fargateRows[len(fargateRows)-1]
	return &FargateSizeError{"memory", message, fmt.Sprintf("the largest size is %d MiB, with %d CPU units", last.most, last.cpu)}
}
