package schema

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The schemas of flashQ's page on security, in JSON Schema.
const (
	emailSchema = `{
		"type": "object",
		"required": ["to", "subject", "body"],
		"properties": {
			"to": {"type": "string", "format": "email", "maxLength": 254},
			"subject": {"type": "string", "maxLength": 998},
			"body": {"type": "string", "maxLength": 1048576},
			"attachments": {"type": "array", "maxItems": 10, "items": {
				"type": "object",
				"required": ["filename", "contentType", "size"],
				"properties": {
					"filename": {"type": "string", "maxLength": 255, "pattern": "^[a-zA-Z0-9._-]+$"},
					"contentType": {"type": "string", "maxLength": 100},
					"size": {"type": "number", "maximum": 10485760}
				}
			}}
		}
	}`
	paymentSchema = `{
		"type": "object",
		"required": ["orderId", "amount", "currency", "customerId"],
		"properties": {
			"orderId": {"type": "string", "format": "uuid"},
			"amount": {"type": "number", "exclusiveMinimum": 0, "maximum": 999999.99},
			"currency": {"enum": ["USD", "EUR", "GBP"]},
			"customerId": {"type": "string", "format": "uuid"}
		}
	}`
	imageSchema = `{
		"type": "object",
		"required": ["imageUrl", "operations", "outputFormat"],
		"properties": {
			"imageUrl": {"type": "string", "format": "uri", "pattern": "^https://"},
			"operations": {"type": "array", "maxItems": 10, "items": {"enum": ["resize", "crop", "rotate", "compress"]}},
			"outputFormat": {"enum": ["jpeg", "png", "webp"]}
		}
	}`
)

const id = `"0b8d6c40-32a4-4d4e-9f0e-0d8a5d8f6a11"`

func TestDataThatValidates(t *testing.T) {
	for _, tt := range [][2]string{
		{emailSchema, `{"to":"user@example.com","subject":"Hello","body":"Content here"}`},
		{emailSchema, `{"to":"user@example.com","subject":"","body":"","attachments":[{"filename":"a-1.pdf","contentType":"application/pdf","size":10}]}`},
		{paymentSchema, `{"orderId":` + id + `,"amount":999999.99,"currency":"EUR","customerId":` + id + `}`},
		{imageSchema, `{"imageUrl":"https://example.com/a.png","operations":["resize","crop"],"outputFormat":"webp"}`},
		{`true`, `null`},
		{`{"$defs":{"n":{"type":["object","null"],"properties":{"next":{"$ref":"#/$defs/n"}}}},"$ref":"#/$defs/n"}`, `{"next":{"next":null}}`},
		{`{"$id":"https://example.com/a","$schema":"https://json-schema.org/draft/2020-12/schema","prefixItems":[{"type":"string"}]}`, `["a",1]`},
	} {
		s, err := Compile([]byte(tt[0]))
		if err != nil {
			t.Fatalf("%s: %v", tt[0], err)
		}
		if err := s.Validate([]byte(tt[1])); err != nil {
			t.Errorf("%s: %v", tt[1], err)
		}
	}
}

func TestDataThatDoesNotValidate(t *testing.T) {
	image := func(rest string) string {
		return `{"imageUrl":"https://example.com/a.png","operations":["resize"],"outputFormat":"png"` + rest
	}
	tests := []struct{ schema, data, want string }{
		{emailSchema, `{"to":"SECRET","subject":"Hello","body":""}`, `to: must be a valid email`},
		{emailSchema, `{"to":"user@example.com","body":""}`, `must have the property subject`},
		{emailSchema, `{"to":"user@example.com","subject":"` + strings.Repeat("x", 999) + `","body":""}`, `subject: has 999 characters, must have at most 998`},
		{emailSchema, `{"to":"user@example.com","subject":"","body":7}`, `body: is of type number, must be string`},
		{emailSchema, `{"to":"u@e.com","subject":"","body":"","attachments":[{"filename":"a","contentType":"b","size":1},{"filename":"../SECRET","contentType":"b","size":1}]}`,
			`attachments.1.filename: must match the pattern ^[a-zA-Z0-9._-]+$`},
		{emailSchema, `{"to":"u@e.com","subject":"","body":"","attachments":[{"filename":"a","contentType":"b","size":10485761}]}`, `attachments.0.size: must be at most 10485760`},
		{paymentSchema, `{"orderId":"SECRET","amount":1,"currency":"EUR","customerId":` + id + `}`, `orderId: must be a valid uuid`},
		{paymentSchema, `{"orderId":` + id + `,"amount":0,"currency":"EUR","customerId":` + id + `}`, `amount: must be more than 0`},
		{paymentSchema, `{"orderId":` + id + `,"amount":1000000,"currency":"EUR","customerId":` + id + `}`, `amount: must be at most 999999.99`},
		{paymentSchema, `{"orderId":` + id + `,"amount":1,"currency":"SECRET","customerId":` + id + `}`, `currency: must be one of "USD", "EUR", "GBP"`},
		{imageSchema, strings.Replace(image("}"), "https", "http", 1), `imageUrl: must match the pattern ^https://`},
		{imageSchema, strings.Replace(image("}"), "resize", "SECRET", 1), `operations.0: must be one of "resize", "crop", "rotate", "compress"`},
		{imageSchema, `[]`, `is of type array, must be object`},
		{imageSchema, image(`,"outputFormat":"exe"}`), `outputFormat: must be given once`},
		{imageSchema, image(`,"x":1e99999999}`), `x: must be a number with an exponent from -400 to 400`},
		{imageSchema, image(`,"x":` + strings.Repeat("1", 101) + `}`), `x: must be a number of at most 100 characters`},
		{imageSchema, `{"a":"SECRET`, `a: is no JSON`},
		{imageSchema, image("} SECRET"), `must be one JSON value`},
		{imageSchema, strings.Repeat(`[`, 129), `is nested more than 128 deep`},
		{imageSchema, `[` + strings.Repeat(`0,`, MaxDataValues) + `0]`, `has more than 100000 values`},
		{`{"additionalProperties":false,"properties":{"a":true}}`, `{"a":1,"b":"SECRET"}`, `must not have the property b`},
		{`{"not":{"type":"string"}}`, `"SECRET"`, `must not validate under not`},
		{`{"anyOf":[{"type":"string"},{"type":"null"}]}`, `1`, `must be of type string or null`},
		{`{"anyOf":[{"const":1},{"enum":["a",null]},{"type":"array"}]}`, `"SECRET"`, `must be one of 1, "a", null, or of type array`},
		{`{"anyOf":[{"type":"string"},{"minimum":3}]}`, `1`, `must validate under one of anyOf`},
		{`{"anyOf":[{"properties":{"a":{"type":"string"}}},{"type":"null"}]}`, `{"a":1}`, `must validate under one of anyOf`},
	}
	for _, tt := range tests {
		s, err := Compile([]byte(tt.schema))
		if err != nil {
			t.Fatal(err)
		}
		err = s.Validate([]byte(tt.data))
		if err == nil || !strings.HasSuffix(err.Error(), tt.want) && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
			continue
		}
		var wrong *Error
		if !errors.As(err, &wrong) {
			t.Fatal(err)
		}
		if where := wrong.Where(); strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "\n") || where != "" && !strings.HasPrefix(tt.want, where) {
			t.Errorf("%q", err)
		}
	}
}

func TestNoSchema(t *testing.T) {
	tests := []struct{ schema, want string }{
		{``, `is no JSON`},
		{`"string"`, `must be a JSON object, or true or false`},
		{`{"type":"strin"}`, `type: must be one of "array", "boolean", "integer", "null", "number", "object", "string", or of type array`},
		{`{"properties":{"to":{"maxLength":-1}}}`, `properties.to.maxLength: must be at least 0`},
		{`{"properties":{"to":{"format":"emial"}}}`, `properties.to.format: must be one of date, date-time`},
		{`{"properties":{"to":{"pattern":"(?=x)"}}}`, `properties.to.pattern: `},
		{`{"pattern":"((a{1000}){2}){2}"}`, `pattern: `},
		{`{"pattern":"a{1000}b{1000}"}`, `pattern: is too complex`},
		{`{"pattern":"` + strings.Repeat("a", 1025) + `"}`, `pattern: has 1025 bytes, must have at most 1024`},
		{`{"patternProperties":{"[":true}}`, `patternProperties`},
		{`{"$ref":"file:///etc/passwd"}`, `$ref: must refer to the schema itself, with #`},
		{`{"properties":{"a":{"$ref":"https://example.com/a.json"}}}`, `properties.a.$ref: must refer to the schema itself`},
		{`{"properties":{"default":{"$ref":"https://example.com/a.json"}}}`, `must refer to the schema itself`},
		{`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, `$ref: must refer to the schema itself`},
		{`{"$ref":"#/$defs/none"}`, `#/$defs/none`},
		{`{"$schema":"http://json-schema.org/draft-07/schema#"}`, `$schema: must be https://json-schema.org/draft/2020-12/schema`},
		{`{"$dynamicRef":"#a"}`, `$dynamicRef: is not supported`},
		{`{"minimum":1e1000000}`, `minimum: must be a number with an exponent from -400 to 400`},
		{`{"type":"string","type":"null"}`, `type: must be given once`},
		{`{"title":"` + strings.Repeat("a", MaxBytes) + `"}`, `has 65548 bytes, must have at most 65536`},
		{`{"enum":[` + strings.Repeat("0,", MaxValues) + `1]}`, `has more than 4096 values`},
	}
	for _, tt := range tests {
		_, err := Compile([]byte(tt.schema))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.100s: %v, want %q", tt.schema, err, tt.want)
		}
	}
}

// TestWorkIsBounded: schemas that would take time without end, each by another
// keyword.
func TestWorkIsBounded(t *testing.T) {
	doubling := func(root, keyword string) string {
		defs := []string{`"a40":{"type":"null"}`}
		for i := range 40 {
			defs = append(defs, fmt.Sprintf(`"a%d":%s`, i, strings.ReplaceAll(keyword, "NEXT", fmt.Sprintf(`{"$ref":"#/$defs/a%d"}`, i+1))))
		}
		return `{` + root + `,"$defs":{` + strings.Join(defs, ",") + `}}`
	}
	deep := strings.Repeat(`{"a":`, 60) + `1` + strings.Repeat(`}`, 60)
	for _, tt := range [][2]string{
		{doubling(`"$ref":"#/$defs/a0"`, `{"allOf":[NEXT,NEXT]}`), `{"a":1,"b":1}`},
		{doubling(`"$ref":"#/$defs/a0"`, `{"anyOf":[NEXT,NEXT]}`), `{"a":1,"b":1}`},
		{doubling(`"$ref":"#/$defs/a0"`, `{"dependentSchemas":{"a":NEXT,"b":NEXT}}`), `{"a":1,"b":1}`},
		{doubling(`"not":{"$ref":"#/$defs/a0"}`, `{"dependentSchemas":{"a":NEXT,"b":NEXT}}`), `{"a":1,"b":1}`},
		{`{"properties":{"a":{"$ref":"#"}},"patternProperties":{"a":{"$ref":"#"},"a+":{"$ref":"#"}}}`, deep},
		{`{"type":"array","items":{"pattern":"^(a|b|ab)*c{900}d{900}$"}}`, `["` + strings.Repeat("ab", 4<<20) + `"]`},
	} {
		s, err := Compile([]byte(tt[0]))
		if err != nil {
			t.Fatalf("%.200s: %v", tt[0], err)
		}
		err = s.Validate([]byte(tt[1]))
		if err == nil || !strings.Contains(err.Error(), "takes more than") {
			t.Errorf("%.80s: %v", tt[0], err)
		}
	}
}

func FuzzSchema(f *testing.F) {
	f.Add(emailSchema, `{"to":"user@example.com","subject":"Hello","body":"Content here"}`)
	f.Add(paymentSchema, `{"orderId":1,"amount":1e300}`)
	f.Add(imageSchema, `[1,2,{"a":null}]`)
	f.Add(`{"$defs":{"n":{"properties":{"next":{"$ref":"#/$defs/n"}}}},"$ref":"#/$defs/n","unevaluatedProperties":false}`, `{"next":{"next":null}}`)
	f.Fuzz(func(t *testing.T, schema, data string) {
		s, err := Compile([]byte(schema))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
			return
		}
		if err := s.Validate([]byte(data)); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q", err)
		}
	})
}
