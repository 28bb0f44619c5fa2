package policy_test

import (
	"fmt"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/policy"
)

// The thermostat may read everything below /s at the boiler, and set one valve.
func ExampleSet_Decide() {
	set, err := policy.Parse("policies.cedar", []byte(`
permit (principal == Client::"thermostat", action == Action::"GET", resource in Audience::"boiler")
when { resource.path like "/s/*" };
permit (principal == Client::"thermostat", action == Action::"PUT", resource == Path::"/a/valve")
when { resource in Audience::"boiler" };
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	decision := set.Decide(policy.Request{
		Subject:  "thermostat",
		Audience: "boiler",
		Scope: ace.AIFScope(ace.AIF{
			{Path: "/s/temp", Methods: ace.GET | ace.PUT},
			{Path: "/a/valve", Methods: ace.PUT},
		}),
	})
	fmt.Println(decision.Reason, decision.Granted, decision.Policies)
	// Output: partial [["/s/temp",1],["/a/valve",4]] [policies.cedar:2 policies.cedar:4]
}
