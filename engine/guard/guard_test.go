package guard

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/vault"
)

func ring(t *testing.T, primary string) *vault.Ring {
	t.Helper()
	r, err := vault.Parse(map[string][]byte{
		"primary": []byte(primary), "a": []byte(strings.Repeat("aa", 32)), "b": []byte(strings.Repeat("bb", 32)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func settings(t *testing.T, text string) *queue.Settings {
	t.Helper()
	var s queue.Settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

const declared = `{"version":1,"queues":[
	{"name":"payments","encryptFields":["card.number","$.notes[0]"],"schema":{"properties":{"card":{"properties":{"number":{"type":"string","pattern":"^[0-9]+$"}}}}}},
	{"name":"people","encryptFields":["ssn"]},
	{"name":"plain"}
]}`

// inForce is a guard with settings in force, and the keys that it made.
func inForce(t *testing.T, r **vault.Ring, text string, keys []queue.Key) (*Guard, []queue.Key) {
	t.Helper()
	g := New(func() *vault.Ring { return *r })
	s := settings(t, text)
	ops, err := g.Prepare(s, keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range ops {
		keys = append(keys, op.Key)
	}
	if err := g.Load(s, keys); err != nil {
		t.Fatal(err)
	}
	return g, keys
}

func everyone(string) bool { return true }
func nobody(string) bool   { return false }

const payment = `{"card":{"number":"4111111111111111", "name":"Jane"},"notes":["first","second"]}`

func TestFieldsAreSealedAndOpen(t *testing.T) {
	r := ring(t, "a")
	g, keys := inForce(t, &r, declared, nil)
	if len(keys) != 2 {
		t.Fatalf("%d keys, want one for each queue that encrypts", len(keys))
	}
	out, err := g.Seal("payments", []byte(payment))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"4111111111111111", "first"} {
		if strings.Contains(string(out), secret) {
			t.Errorf("%s is in %s", secret, out)
		}
	}
	if !json.Valid(out) || !strings.Contains(string(out), `"name":"Jane"`) || !strings.Contains(string(out), `"second"`) {
		t.Errorf("%s", out)
	}
	if got := g.Open(string(out), everyone); got != payment {
		t.Errorf("opened %s", got)
	}
	if got := g.Open(string(out), nobody); got != string(out) {
		t.Errorf("opened for nobody: %s", got)
	}
	if again, _ := g.Seal("payments", []byte(payment)); string(again) == string(out) {
		t.Error("the same data is sealed alike twice")
	}
	for _, data := range []string{`{"card":{"name":"Jane"}}`, `null`, `[1]`, `{"card":7}`} {
		if out, err := g.Seal("payments", []byte(data)); err != nil || string(out) != data {
			t.Errorf("%s: %s, %v", data, out, err)
		}
	}
	if out, err := g.Seal("plain", []byte(payment)); err != nil || string(out) != payment {
		t.Errorf("%s, %v", out, err)
	}
	if out, _ := g.Seal("people", []byte(`{"ssn":"secret1","s\u0073n":"secret2"}`)); strings.Contains(string(out), "secret") {
		t.Errorf("a name that is there twice: %s", out)
	}
	if _, err := g.Seal("people", []byte(`{"ssn":"secret"`)); err == nil {
		t.Error("what is no JSON goes through in clear")
	}
}

// TestANameThatIsThereOften is refused before its work grows with the square.
func TestANameThatIsThereOften(t *testing.T) {
	r := ring(t, "a")
	g, _ := inForce(t, &r, declared, nil)
	stored, _ := g.Seal("people", []byte(`{"ssn":"secret"}`))
	data := []byte("{" + strings.Repeat(`"ssn":1,`, 200_000) + `"ssn":2}`)
	if _, err := g.Seal("people", data); err == nil || !strings.Contains(err.Error(), "write each name once") {
		t.Error(err)
	}
	if _, err := g.Update("plain", data, string(stored)); err == nil || !strings.Contains(err.Error(), "write each name once") {
		t.Error(err)
	}
}

func TestSchemaSeesTheClearData(t *testing.T) {
	r := ring(t, "a")
	g, _ := inForce(t, &r, declared, nil)
	_, err := g.Seal("payments", []byte(`{"card":{"number":"SECRET"}}`))
	if err == nil || err.Error() != `data.card.number: must match the pattern ^[0-9]+$, as the queue's schema says` {
		t.Errorf("%v", err)
	}
	if _, err := g.Seal("plain", []byte(`{"card":{"number":"SECRET"}}`)); err != nil {
		t.Errorf("another queue: %v", err)
	}
}

func TestUpdateKeepsWhatComesBack(t *testing.T) {
	r := ring(t, "a")
	g, _ := inForce(t, &r, declared, nil)
	stored, _ := g.Seal("payments", []byte(payment))
	var v map[string]any
	if err := json.Unmarshal(stored, &v); err != nil {
		t.Fatal(err)
	}
	v["notes"] = []any{"other", "second"}
	back, _ := json.MarshalIndent(v, "", "  ") // as a client would write it
	out, err := g.Update("payments", back, string(stored))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"card":{"name":"Jane","number":"4111111111111111"},"notes":["other","second"]}`
	var compact strings.Builder
	e := json.NewEncoder(&compact)
	var opened any
	if err := json.Unmarshal([]byte(g.Open(string(out), everyone)), &opened); err != nil || e.Encode(opened) != nil || strings.TrimSpace(compact.String()) != want {
		t.Errorf("%s, %v", compact.String(), err)
	}
	if strings.Contains(string(out), "4111") || strings.Contains(string(out), "other") {
		t.Errorf("in clear: %s", out)
	}
	// The job has come to a queue that encrypts nothing.
	out, err = g.Update("plain", []byte(payment), string(stored))
	if err != nil || strings.Contains(string(out), "4111") || g.Open(string(out), everyone) != payment {
		t.Errorf("in another queue: %s, %v", out, err)
	}
	// What was encrypted in part is as a whole.
	wider, _ := inForce(t, &r, strings.Replace(declared, `"card.number"`, `"card"`, 1), nil)
	wider.rules.Load().keys = merge(wider.rules.Load().keys, g.rules.Load().keys)
	out, err = wider.Update("payments", stored, string(stored))
	if err != nil || strings.Contains(string(out), "Jane") || wider.Open(string(out), everyone) != payment {
		t.Errorf("wider: %s, %v", out, err)
	}
}

func merge(a, b map[string]*key) map[string]*key {
	for id, k := range b {
		a[id] = k
	}
	return a
}

// TestNobodyOpensElsewhere: what was copied out of one job does not open in
// another place, whoever looks.
func TestNobodyOpensElsewhere(t *testing.T) {
	r := ring(t, "a")
	g, _ := inForce(t, &r, declared, nil)
	stored, _ := g.Seal("people", []byte(`{"ssn":"secret"}`))
	field := string(stored[len(`{"ssn":`) : len(stored)-1])
	for _, queueName := range []string{"plain", "payments", "unknown"} {
		for _, data := range []string{`{"ssn":` + field + `}`, `{"other":` + field + `}`} {
			if out, err := g.Seal(queueName, []byte(data)); err == nil || strings.Contains(err.Error(), "sealed") {
				t.Errorf("pushed to %s: %s, %v", queueName, out, err)
			}
		}
	}
	out, err := g.Seal("people", []byte(`{"ssn":`+field+`}`))
	if err != nil || strings.Contains(g.Open(string(out), everyone), "secret") {
		t.Errorf("pushed again: %s, %v", g.Open(string(out), everyone), err)
	}
	if got := g.Open(`{"other":`+field+`}`, everyone); strings.Contains(got, "secret") {
		t.Errorf("at another path: %s", got)
	}
	if got := g.Open(string(stored), func(name string) bool { return name == "plain" }); got != string(stored) {
		t.Errorf("for who may decrypt another queue: %s", got)
	}
	for i := range field {
		altered := field[:i] + string(field[i]^1) + field[i+1:]
		if strings.Contains(g.Open(`{"ssn":`+altered+`}`, everyone), `"secret"`) {
			t.Errorf("altered at %d, it opens", i)
		}
	}
	if _, err := g.Update("people", []byte(`{"a":`+field+`,"ssn":`+field+`}`), string(stored)); err == nil {
		t.Error("an update copies a field")
	}
}

func TestKeysAreWrappedAgain(t *testing.T) {
	r := ring(t, "a")
	g, keys := inForce(t, &r, declared, nil)
	stored, _ := g.Seal("people", []byte(`{"ssn":"secret"}`))
	r = ring(t, "b")
	ops, err := Rewrap(r, keys)
	if err != nil || len(ops) != 2 {
		t.Fatalf("%d, %v", len(ops), err)
	}
	keys = nil
	for _, op := range ops {
		if vault.WrappedUnder(op.Wrapped) != r.Primary() {
			t.Errorf("%x", op.Wrapped)
		}
		keys = append(keys, op.Key)
	}
	if ops, err := Rewrap(r, keys); err != nil || len(ops) != 0 {
		t.Errorf("again: %d, %v", len(ops), err)
	}
	r, err = vault.Parse(map[string][]byte{"primary": []byte("b"), "b": []byte(strings.Repeat("bb", 32))})
	if err != nil {
		t.Fatal(err)
	}
	restarted, same := inForce(t, &r, declared, keys)
	if len(same) != len(keys) {
		t.Errorf("%d keys, there were %d", len(same), len(keys))
	}
	if got := restarted.Open(string(stored), everyone); got != `{"ssn":"secret"}` {
		t.Errorf("%s", got)
	}
}

func TestSettingsThatAreRefused(t *testing.T) {
	for _, tt := range []struct{ settings, want string }{
		{`{"queues":[{"name":"a"},{"name":"b","schema":{"type":"strin"}}]}`, `queues[1].schema: of queue b: type: `},
		{`{"queues":[{"name":"b","schema":{"properties":{"x":{"$ref":"https://example.com"}}}}]}`, `queues[0].schema: of queue b: properties.x.$ref: must refer`},
		{`{"queues":[{"name":"b","encryptFields":[""]}]}`, `queues[0].encryptFields: of queue b: "" must be like $.user.id`},
		{`{"queues":[{"name":"b","encryptFields":["card","card.number"]}]}`, `"card" and "card.number" lead to the same value`},
		{`{"queues":[{"name":"b","encryptFields":["$.a[0]","a.0"]}]}`, `lead to the same value`},
		{`{"queues":[{"name":"b","encryptFields":["a"]}],"schedules":[{"name":"s","queue":"b","data":{"a":"SECRET"}}]}`, `schedules[0].data: must not have a, which queue b encrypts`},
		{`{"queues":[{"name":"b","schema":{"type":"object"}}],"schedules":[{"name":"s","queue":"b"}]}`, `schedules[0].data: is of type null, must be object`},
	} {
		_, err := compile(settings(t, tt.settings), true, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
	_, err := compile(settings(t, `{"queues":[{"name":"b","encryptFields":["a"]}]}`), false, nil)
	if err == nil || !strings.Contains(err.Error(), "needs the encryption of the instance") {
		t.Errorf("without keys: %v", err)
	}
	if _, err := compile(settings(t, declared), true, nil); err != nil {
		t.Error(err)
	}
}

// TestRefusedSettingsChangeNothing.
func TestRefusedSettingsChangeNothing(t *testing.T) {
	r := ring(t, "a")
	g, keys := inForce(t, &r, declared, nil)
	bad := settings(t, `{"queues":[{"name":"people","schema":7}]}`)
	if _, err := g.Prepare(bad, keys); err == nil {
		t.Error("prepared")
	}
	if err := g.Load(bad, keys); err == nil {
		t.Error("loaded")
	}
	if out, err := g.Seal("people", []byte(`{"ssn":"secret"}`)); err != nil || strings.Contains(string(out), "secret") {
		t.Errorf("%s, %v", out, err)
	}
}

func FuzzSeal(f *testing.F) {
	f.Add(payment)
	f.Add(`{"card":{"number":{"$encrypted":1,"key":"","path":"card.number","sealed":""}}}`)
	f.Add(`{"notes":[{"number":1,"number":2}],"notes":{"0":3}}`)
	r, err := vault.Parse(map[string][]byte{"primary": []byte("a"), "a": []byte(strings.Repeat("aa", 32))})
	if err != nil {
		f.Fatal(err)
	}
	g := New(func() *vault.Ring { return r })
	s := &queue.Settings{Queues: []queue.QueueSettings{{Name: "q", EncryptFields: []string{"card.number", "notes[0]", "a"}}}}
	ops, refused := g.Prepare(s, nil)
	if refused != nil {
		f.Fatal(refused)
	}
	if refused = g.Load(s, []queue.Key{ops[0].Key}); refused != nil {
		f.Fatal(refused)
	}
	f.Fuzz(func(t *testing.T, data string) {
		out, err := g.Seal("q", []byte(data))
		if err != nil {
			return
		}
		if json.Valid([]byte(data)) && !json.Valid(out) {
			t.Errorf("%q is sealed as %q", data, out)
		}
		if got := g.Open(string(out), everyone); got != data {
			t.Errorf("%q came back as %q", data, got)
		}
		if back, err := g.Update("q", out, string(out)); err != nil || string(back) != string(out) {
			t.Errorf("%q sent back became %q, %v", out, back, err)
		}
	})
}
