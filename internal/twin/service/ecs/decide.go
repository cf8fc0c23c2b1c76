package ecs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// situation is everything the scheduler looks at for one service.
type situation struct {
	Service service
	Tasks   []task             // those of the service that have not been counted out
	Health  map[string]verdict // by task id, of those that are targets of a load balancer
	Now     time.Time
}

// verdict is what the load balancers say of a task.
type verdict struct {
	State  string // "healthy", "unhealthy", or anything that is neither yet
	Reason string // in words, for an event: "Health checks failed with these codes: [500]"
	Group  string // ARN of the target group
	Port   int
}

// plan is what the scheduler wants done. Its service is the situation's with deployments and events brought up to date.
type plan struct {
	Service service
	Start   int        // tasks of the primary deployment
	Stop    []stopping // tasks
	Judged  []string   // stopped tasks whose end was taken into account
	Wake    time.Time  // when to look again, though nothing may have happened; zero is never
	Changed bool       // the service's row must be written
}

// stopping is a task that is to stop, and why.
type stopping struct {
	Task, Code, Reason string
	Unhealthy          bool // it failed a health check
}

const (
	byScheduler = "ServiceSchedulerInitiated"
	notStarted  = "TaskFailedToStart"
	exited      = "EssentialContainerExited"
	byUser      = "UserInitiated"
)

// decide says what to do for a service. It is a function of its argument alone.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_services.html
func decide(at situation) plan {
	d := decision{situation: at, plan: plan{Service: at.Service}}
	d.plan.Service.Deployments = slices.Clone(at.Service.Deployments)
	if at.Service.Status == draining {
		d.drain()
		return d.plan
	}
	if d.primary() == nil || at.Service.Status != active {
		return d.plan
	}
	d.judge()
	d.trip()
	d.replaceUnhealthy()
	d.roll()
	d.settle()
	return d.plan
}

// decision is a plan in the making.
type decision struct {
	situation
	plan plan
}

func (d *decision) primary() *deployment { return d.plan.Service.primary() }

func (d *decision) say(format string, args ...any) {
	text := fmt.Sprintf("(service %s) ", d.Service.Name) + fmt.Sprintf(format, args...)
	d.plan.Service.note(d.Now, text)
	d.plan.Changed = true
}

func (d *decision) stop(t task, reason string) {
	d.plan.Stop = append(d.plan.Stop, stopping{Task: t.ID, Code: byScheduler, Reason: reason})
	d.plan.Changed = true
}

func (d *decision) stopped(t task) bool {
	return t.Desired == taskStopped || slices.ContainsFunc(d.plan.Stop, func(s stopping) bool { return s.Task == t.ID })
}

// drain stops all tasks of a service that is being deleted; with the last one it is INACTIVE.
func (d *decision) drain() {
	left := 0
	var now []task
	for _, t := range d.Tasks {
		if t.Last != taskStopped {
			left++
		}
		if !d.stopped(t) {
			now = append(now, t)
			d.stop(t, "Task stopped by service deletion")
		}
	}
	if len(now) > 0 {
		d.say("has stopped %d running tasks: %s.", len(now), taskNames(now))
	}
	if left == 0 {
		d.plan.Service.Status, d.plan.Service.Deployments, d.plan.Changed = inactive, nil, true
	}
}

// judge counts tasks that ended though the service did not want them to.
func (d *decision) judge() {
	p := d.primary()
	if p.Streak > 0 && slices.ContainsFunc(d.Tasks, func(t task) bool { return d.mine(t) && t.Started.After(p.LastFailure) && t.stands(d.Now) }) {
		p.Streak, p.NotBefore, d.plan.Changed = 0, time.Time{}, true
	}
	for _, t := range d.Tasks {
		if t.Desired != taskStopped || t.Judged {
			continue
		}
		d.plan.Judged = append(d.plan.Judged, t.ID)
		i := slices.IndexFunc(d.plan.Service.Deployments, func(dep deployment) bool { return dep.ID == t.Deployment })
		if i >= 0 && t.StopCode != byUser && (t.StopCode != byScheduler || t.Unhealthy) {
			d.blame(&d.plan.Service.Deployments[i], t)
		}
	}
}

func (d *decision) blame(of *deployment, t task) {
	d.plan.Changed, d.plan.Service.Steady = true, false
	if of.State == inProgress {
		of.Failed++
	}
	d.say("(deployment %s) (task %s) failed: %s", of.ID, t.ID, t.explain())
	if t.stood() {
		return
	}
	of.Streak++
	of.LastFailure = d.Now
	if wait := backoff(of.Streak); wait > 0 {
		of.NotBefore = d.Now.Add(wait)
		if of.Streak == patience+1 {
			d.say("is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.")
		}
	}
}

// patience is how many tasks in a row may fail to start before the next one has to wait.
const patience = 3

// backoff grows from a second to fifteen minutes.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html
func backoff(streak int) time.Duration {
	if streak <= patience {
		return 0
	}
	return min(time.Second<<min(streak-patience-1, 10), 15*time.Minute)
}

// trip is the circuit breaker: too many failures end the deployment, and bring the last good one back.
func (d *decision) trip() {
	p := d.primary()
	enabled, rollback := d.Service.breaker()
	if !enabled || p.State != inProgress || p.Failed < d.Service.threshold() {
		return
	}
	p.State, p.Reason, p.Updated = failed, "ECS deployment circuit breaker: tasks failed to start.", d.Now
	d.say("(deployment %s) deployment failed: tasks failed to start.", p.ID)
	last := d.plan.Service.Completed
	if !rollback || last == nil || last.ID == p.ID {
		return
	}
	d.plan.Service.rollBack(d.Now, fmt.Sprintf("ECS deployment circuit breaker: rolling back to deploymentId %s.", last.ID))
	d.say("rolling back to deployment %s.", last.ID)
}

// standing is what a task is worth to its service.
type standing int

const (
	coming  standing = iota // on its way, or not judged by its health checks yet
	good                    // serves
	bad                     // failed a health check
	leaving                 // stops
)

func (d *decision) standing(t task) standing {
	if d.stopped(t) || t.Last == taskStopped {
		return leaving
	}
	if t.Last != taskRunning {
		return coming
	}
	verdict, target := d.Health[t.ID]
	graced := d.Now.Before(d.graceEnd(t))
	switch {
	case t.Health == unhealthy || target && verdict.State == "unhealthy":
		if graced {
			return coming
		}
		return bad
	case t.Health == healthUnknown && t.Checked, target && verdict.State != "healthy":
		return coming
	case !target && !t.Checked && d.Now.Before(t.Started.Add(probation)):
		d.wakeAt(t.Started.Add(probation))
		return coming
	}
	return good
}

// probation is how long a task that nobody checks must run to count as serving: one that crashes at once never did.
const probation = time.Second

func (d *decision) tasks(want func(task) bool, in ...standing) (found []task) {
	for _, t := range d.Tasks {
		if slices.Contains(in, d.standing(t)) && want(t) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b task) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return found
}

func (d *decision) mine(t task) bool   { return t.Deployment == d.primary().ID }
func (d *decision) others(t task) bool { return t.Deployment != d.primary().ID }
func anyOne(task) bool                 { return true }

// replaceUnhealthy stops tasks that fail their health checks. In a steady state a replacement comes first where the maximum
// leaves room for one; a deployment does not keep what has never been healthy.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-maintenance.html
func (d *decision) replaceUnhealthy() {
	for _, t := range d.Tasks {
		if end := d.graceEnd(t); !t.Started.IsZero() && d.Now.Before(end) {
			d.wakeAt(end)
		}
	}
	ill := d.tasks(anyOne, bad)
	n := len(ill)
	if serving := len(d.tasks(d.mine, good)); d.primary().State == completed && serving < d.Service.Desired {
		missing := d.Service.Desired - len(d.tasks(d.mine, coming, good))
		room := d.Service.maximum() - len(d.tasks(anyOne, coming, good, bad))
		n = min(n, max(0, missing-room))
	}
	for _, t := range ill[:n] {
		reason := d.illness(t)
		d.stop(t, reason)
		d.plan.Stop[len(d.plan.Stop)-1].Unhealthy = true
	}
}

func (d *decision) graceEnd(t task) time.Time {
	return t.Started.Add(time.Duration(d.Service.Grace) * time.Second)
}

func (d *decision) illness(t task) string {
	verdict := d.Health[t.ID]
	if t.Health == unhealthy {
		return "Task failed container health checks"
	}
	d.say("(port %d) is unhealthy in (target-group %s) due to (reason %s)", verdict.Port, verdict.Group, verdict.Reason)
	return fmt.Sprintf("Task failed ELB health checks in (target-group %s)", verdict.Group)
}

// roll brings the primary deployment to the desired count and the others to none, between minimum and maximum.
func (d *decision) roll() {
	p := d.primary()
	v := d.Service
	own := d.tasks(d.mine, coming, good)
	old := d.tasks(d.others, coming, good, bad)
	d.scaleIn(own)
	missing := max(0, v.Desired-len(own))
	if p.State == failed {
		return
	}
	ceiling := max(v.maximum(), map[bool]int{true: v.Desired}[len(old) == 0])
	room := ceiling - len(d.tasks(anyOne, coming, good, bad))
	fresh := len(d.tasks(d.mine, good))
	surplus := len(old) - max(0, v.Desired-fresh) // old ones that the new ones stand in for
	if missing > room {
		surplus = max(surplus, missing-max(room, 0)) // old ones that have to go first
	}
	gone := d.retire(old, surplus)
	room += gone
	stuck := missing > 0 && room <= 0 && gone == 0 && len(d.tasks(anyOne, coming, bad)) == 0 && len(d.tasks(anyOne, leaving)) == 0
	if stuck && !p.Stuck {
		d.say("was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.")
	}
	p.Stuck = stuck
	d.start(min(missing, room))
}

func (d *decision) scaleIn(own []task) {
	excess := len(own) - d.Service.Desired
	if excess <= 0 {
		return
	}
	// What serves least goes first: those on their way, then the youngest.
	slices.SortStableFunc(own, func(a, b task) int { return cmp.Compare(d.standing(a), d.standing(b)) })
	if i := slices.IndexFunc(own, func(t task) bool { return d.standing(t) == good }); i >= 0 {
		slices.Reverse(own[i:])
	}
	d.end(own[:excess])
}

// retire stops up to n tasks of older deployments without going below the minimum; what does not serve anyway goes first.
func (d *decision) retire(old []task, n int) int {
	spare := len(d.tasks(anyOne, good)) - d.Service.minimum()
	slices.SortStableFunc(old, func(a, b task) int {
		return cmp.Compare(map[bool]int{true: 1}[d.standing(a) == good], map[bool]int{true: 1}[d.standing(b) == good])
	})
	var chosen []task
	for _, t := range old {
		useless := d.standing(t) != good
		if len(chosen) >= n && !useless {
			break
		}
		if !useless {
			if spare <= 0 {
				break
			}
			spare--
		}
		chosen = append(chosen, t)
	}
	d.end(chosen)
	return len(chosen)
}

func (d *decision) end(tasks []task) {
	if len(tasks) == 0 {
		return
	}
	for _, t := range tasks {
		d.stop(t, fmt.Sprintf("Scaling activity initiated by (deployment %s)", d.primary().ID))
	}
	d.say("has stopped %d running tasks: %s.", len(tasks), taskNames(tasks))
	d.plan.Service.Steady = false
}

func (d *decision) start(n int) {
	p := d.primary()
	if n <= 0 {
		return
	}
	if d.Now.Before(p.NotBefore) {
		d.wakeAt(p.NotBefore)
		return
	}
	if p.Streak >= patience { // after repeated failures one task at a time tries
		n = min(n, max(0, 1-len(d.tasks(d.mine, coming))))
	}
	if n == 0 {
		return
	}
	d.plan.Start, d.plan.Service.Steady, d.plan.Changed = n, false, true
}

// settle completes the deployment, and announces a steady state once.
func (d *decision) settle() {
	d.forget()
	v, p := &d.plan.Service, d.primary()
	calm := d.plan.Start == 0 && len(d.plan.Stop) == 0 && len(d.tasks(d.mine, good)) == v.Desired && len(d.tasks(anyOne, coming, bad)) == 0 && len(v.Deployments) == 1
	if !calm {
		return
	}
	if p.State == inProgress {
		p.State, p.Updated, p.Reason = completed, d.Now, fmt.Sprintf("ECS deployment %s completed.", p.ID)
		done := *p
		v.Completed, d.plan.Changed = &done, true
		d.say("(deployment %s) deployment completed.", p.ID)
	}
	if !v.Steady && p.State == completed {
		v.Steady = true
		d.say("has reached a steady state.")
	}
}

// forget drops older deployments whose last task no longer takes traffic.
func (d *decision) forget() {
	left := func(o deployment) bool {
		return slices.ContainsFunc(d.Tasks, func(t task) bool { return t.Deployment == o.ID && t.before(taskStopping) })
	}
	kept := slices.DeleteFunc(d.plan.Service.Deployments[1:], func(o deployment) bool { return !left(o) })
	if len(kept)+1 != len(d.Service.Deployments) {
		d.plan.Changed = true
	}
	d.plan.Service.Deployments = d.plan.Service.Deployments[:len(kept)+1]
}

func (d *decision) wakeAt(t time.Time) {
	if d.plan.Wake.IsZero() || t.Before(d.plan.Wake) {
		d.plan.Wake = t
	}
}

func taskNames(tasks []task) string {
	var names []string
	for _, t := range tasks {
		names = append(names, "(task "+t.ID+")")
	}
	return strings.Join(names, " ")
}
