package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Rotation says how and when credentials change hands.
//
// +kubebuilder:validation:XValidation:rule="!has(self.interval) || !has(self.overlap) || duration(self.interval) > duration(self.overlap)",message="rotation.interval must be longer than rotation.overlap: a rotation ends before the next one starts"
// +kubebuilder:validation:XValidation:rule="!has(self.window) || has(self.interval)",message="rotation.window needs rotation.interval: it limits when rotations start by themselves"
type Rotation struct {
	// overlap is how long the old and the new credential both work after the
	// connection secret was switched. Mounted secrets reach applications with
	// a delay of up to 90 seconds, and applications reload when they reload.
	// Default 10m; from 5m to 24h.
	// +optional
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,7}([.][0-9]{1,3})?(h|m|s))+$') && duration(self) >= duration('5m') && duration(self) <= duration('24h')",message="rotation.overlap must be from 5m to 24h, written in h, m and s (for example 10m); to end one overlap early, annotate coffer.dev/rotate-complete"
	Overlap *metav1.Duration `json:"overlap,omitempty"`

	// interval starts a rotation by itself, this long after the last one, or up
	// to a tenth earlier, so that many objects do not rotate at once. Default:
	// rotations are asked for by annotation only. From 1h to 8760h, longer than
	// overlap.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,7}([.][0-9]{1,3})?(h|m|s))+$') && duration(self) >= duration('1h') && duration(self) <= duration('8760h')",message="rotation.interval must be from 1h to 8760h, written in h, m and s (for example 720h)"
	Interval *metav1.Duration `json:"interval,omitempty"`

	// window limits when rotations start by themselves. One that falls due while
	// it is closed waits until it opens, and starts in the first tenth of it; one
	// that missed a whole window (the operator was away) waits for the next.
	// Rotations that are asked for by annotation start at once. Default: any time.
	// +optional
	Window *RotationWindow `json:"window,omitempty"`

	// completion Automatic ends the overlap when its time has passed. Manual keeps
	// the old credential until a new value of the annotation
	// coffer.dev/rotate-complete; until then no other rotation starts. Default
	// Automatic.
	// +optional
	// +kubebuilder:default=Automatic
	Completion RotationCompletion `json:"completion,omitempty"`
}

// RotationWindow is a time that comes again.
type RotationWindow struct {
	// schedule is when the window opens, in the five fields of crontab: minute,
	// hour, day of the month, month, day of the week (for example "0 3 * * 6":
	// Saturdays at three). Required.
	// +required
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-0-9A-Za-z*/,]+( +[-0-9A-Za-z*/,]+){4}$')",message="rotation.window.schedule must be minute, hour, day of the month, month and day of the week, such as 0 3 * * 6"
	Schedule string `json:"schedule"`

	// timeZone of the schedule, as in the IANA database (for example
	// Europe/Berlin). Default UTC.
	// +optional
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$')",message="rotation.window.timeZone must be a name of the IANA database, such as Europe/Berlin"
	TimeZone string `json:"timeZone,omitempty"`

	// duration is how long it stays open. Required; from 15m to 168h.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,7}([.][0-9]{1,3})?(h|m|s))+$') && duration(self) >= duration('15m') && duration(self) <= duration('168h')",message="rotation.window.duration must be from 15m to 168h, written in h, m and s (for example 4h)"
	Duration metav1.Duration `json:"duration"`
}

// RotationCompletion says who ends an overlap.
//
// +kubebuilder:validation:Enum=Automatic;Manual
type RotationCompletion string

// The completions.
const (
	// CompletionAutomatic ends it when its time has passed.
	CompletionAutomatic RotationCompletion = "Automatic"
	// CompletionManual waits for the annotation.
	CompletionManual RotationCompletion = "Manual"
)
