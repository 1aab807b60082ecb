package acl

import (
	"encoding/json"
	"fmt"
)

// rules are an identity's permissions in the log, where scripts carry those of
// whoever runs them: what a script does is permitted or refused when it is
// applied, by every member alike.
type rules struct {
	Commands  []string `json:"commands,omitempty"`
	Keys      []string `json:"keys,omitempty"`
	ReadKeys  []string `json:"readKeys,omitempty"`
	WriteKeys []string `json:"writeKeys,omitempty"`
	Channels  []string `json:"channels,omitempty"`
	Source    string   `json:"source,omitempty"`
}

// Rules are the identity's permissions as a text.
func (id *Identity) Rules() []byte { return id.text }

// write makes the text that Rules returns.
func (id *Identity) write(u User) {
	r := rules{u.Commands, u.Keys, u.ReadKeys, u.WriteKeys, nil, u.Source}
	for _, c := range id.channels {
		r.Channels = append(r.Channels, string(c))
	}
	id.text, _ = json.Marshal(r) // which strings do not fail
}

// FromRules is an identity with the permissions that Rules wrote, and nothing
// else: it has no name, and nobody can log in as it.
func FromRules(text []byte) (*Identity, error) {
	var r rules
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	u := User{Commands: r.Commands, Keys: r.Keys, ReadKeys: r.ReadKeys, WriteKeys: r.WriteKeys, Channels: r.Channels, Source: r.Source}
	id := newIdentity(u)
	id.write(u)
	return id, nil
}
