// Package population is a synthetic world of people with phones, for judging policies: when each person uses the
// phone, what the phone shows of it, and how a push is received. It knows nothing of Kairos.
//
// Its response is of another family than Kairos' model on purpose. Kairos scores with logistic regressions; here a
// person has sittings with a goal phase and a receptive phase, notices a push by a sequence of chances, and opens it
// by Beta-distributed interest and competing fates (open, dismiss, leave it for later), under an annoyance that
// multiplies. No parameter was chosen by looking at how any policy scores.
package population

import "time"

// Params are all numbers of the world. Default has the figures and where they come from.
type Params struct {
	// Use of the phone.
	SessionsPerDay    LogNormal     // over people
	GapScale          time.Duration // pauses between sessions: Lomax with this scale and shape, in the person's own time
	GapShape          float64
	Glance            LogNormal // length of a short look, seconds
	Sitting           LogNormal // length of a long use, seconds
	GlanceShare       float64   // of sessions that are short looks
	LengthSpread      float64   // sigma of the person's factor on lengths
	Weekday, Weekend  [24]float64
	ChronotypeHours   float64 // standard deviation of a person's shift of the day
	HabitSpread       float64 // sigma of a person's own hour-of-day factors
	WeeklyHabitSpread float64 // sigma of a person's own hour-of-week factors

	// The own app.
	AppOpensPerDay LogNormal // over people
	AppHabitSpread float64   // sigma of a person's own hour-of-day factors on opening the app

	// A push arrives.
	GoalPhase       time.Duration // mean length of the first part of a session, in which the person does what they came for
	BannerNoticed   float64       // chance that a push that comes while the phone is in use is noticed
	BuzzMean        float64       // chance that a push on a locked phone makes the person look, by day
	BuzzSpread      float64       // Beta concentration over people
	BuzzDelay       LogNormal     // seconds until they look
	ShadeNoticed    float64       // chance that a waiting push is noticed at the start of the next session
	ShadeDecay      float64       // factor on it for each session that passed it by
	InterestMean    []float64     // mean open chance of one notice in the receptive phase, by category
	InterestSpread  float64       // Beta concentration over people
	GoalFactor      float64       // on the open chance when noticed in the goal phase
	ShadeFactor     float64       // on the open chance when found waiting at the start of a session
	DismissShare    float64       // chance that a notice without an open is a dismissal
	GoalDismiss     float64       // the same in the goal phase
	DaypartSpread   float64       // sigma of a person's hour-of-day factor on opening
	Mutes           float64       // share of people who mute one category
	PromptAnswered  float64       // open chance of one notice of a prompt that asks for an answer (calibration only)
	PromptBuzzBoost float64       // prompts insist: factor on the buzz chance (calibration only)

	// Fatigue.
	AnnoyanceHalfLife time.Duration
	AnnoyedByPush     float64 // annoyance of one noticed push
	AnnoyedByBreak    float64 // more, when it was noticed in the goal phase
	AnnoyanceOnOpen   float64 // the open chance is multiplied by exp(-this·annoyance)
	OptOutBase        float64 // chance of an opt-out for one noticed push without annoyance
	OptOutGrowth      float64 // it is multiplied by exp(this·annoyance)
	OptOutCost        float64 // opens that an opt-out is worth, in "opens net of fatigue"

	// Phones.
	OfflinePerDay float64   // spells without network, a day
	OfflineLength LogNormal // their length, seconds

	// States of the phone and its owner, of people with Traits.States; lengths in seconds.
	Calls, Trips, Walks, Headphones, DeskCharges Spells
	StateSpread                                  float64       // sigma of a person's factors on how often
	StateAfter                                   time.Duration // mean time from the beginning of a use of the phone to that of a state
	AtTheWheel                                   float64       // share of the trips
	DrivingUse                                   float64       // share of the uses of the phone that is left at the wheel
	Night                                        [2]float64    // from and to, local hours
	NightCharged                                 float64       // share of the nights on a charger
	DNDUsers                                     float64       // share of people who have do-not-disturb on by night and in meetings
	Meetings                                     Spells        // with do-not-disturb on, in working hours
	MotionLag                                    time.Duration // after which a phone knows how it is moved

	// What they do to a push: in a call, at the wheel and under do-not-disturb nobody notices it.
	Breakpoint     time.Duration // for so long after a call, a walk or a trip
	BreakpointOpen float64       // this factor is on the open chance,
	InHandLook     float64       // and after a call, with the phone in the hand, this one on the chance to look when it buzzes
	HeadphonesLook float64       // the same with headphones on
	ChargingLook   float64       // and on a charger
	WalkingOpen    float64       // on the open chance
}

// Default is the world that `kairos simulate` shows. Sources: [log] two phone logs of 168 and 34 days; [esm] 4,298
// times from a prompt to its answer; [nst] "Not So Timely", the study of pushes sent at the moment of screen-on;
// [pew] Pew Research, "Cell phones and American adults", 2010; [aaa] AAA, "American Driving Survey", 2016 and 2017; [zen] Zendrive,
// "Distracted Driving", 2017; [fis] Fischer, Greenhalgh and Benford, MobileHCI 2011; [yah] Okoshi and others at Yahoo! JAPAN,
// KDD 2019; [asm] an assumption, for want of a public figure. the tests hold the results to the figures in
// quotes: TestUseOfThePhone, TestAnswersToPrompts, TestEffectOfAPush, TestOptOutsGrowWithFatigue, TestStates.
var Default = Params{
	SessionsPerDay: LogNormal{Median: 96, Sigma: 0.55, Min: 10, Max: 211}, // [log] "median 96, 10 to 211"
	GapScale:       20 * time.Minute,                                      // [log] "again within 5 min 0.54, after 10 min idle 0.31, after 40 min 0.14"
	GapShape:       3,
	Glance:         LogNormal{Median: 24, Sigma: 0.7, Min: 3, Max: 300}, // [log] "session median 30 to 80 s, heavy tail";
	Sitting:        LogNormal{Median: 190, Sigma: 1.1, Min: 10, Max: 7200},
	GlanceShare:    0.42, // [log] "stays 60 s more: 0.57 at the unlock, 0.80 after 120 s"
	LengthSpread:   0.12,
	Weekday: [24]float64{.12, .05, .03, .03, .03, .08, .3, .7, 1, 1, 1, 1.05, // [log] shape of a day
		1.2, 1.1, 1, 1, 1.1, 1.2, 1.2, 1.2, 1.25, 1.2, .9, .4},
	Weekend: [24]float64{
		.3, .15, .06, .03, .03, .04, .1, .25, .55, .85, 1, 1.1,
		1.2, 1.15, 1.1, 1.1, 1.1, 1.15, 1.2, 1.2, 1.2, 1.2, 1.05, .65,
	},
	ChronotypeHours:   1.2,  // [asm] spread of mid-sleep in surveys is about an hour
	HabitSpread:       0.4,  // [asm]
	WeeklyHabitSpread: 0.25, // [asm]

	AppOpensPerDay: LogNormal{Median: 1, Sigma: 0.9, Min: 0.05, Max: 20}, // [asm] an app of daily to weekly use
	AppHabitSpread: 0.7,                                                  // [asm]

	GoalPhase:       60 * time.Second, // [nst] the best delay after screen-on was one to six minutes
	BannerNoticed:   0.85,             // [asm]
	BuzzMean:        0.12,             // [esm] "answered within 5 min 43.7 %, 10 min 56 %, 30 min 82.6 %"
	BuzzSpread:      3,                // [esm] "per person 20 to 68 % within 5 min"
	BuzzDelay:       LogNormal{Median: 35, Sigma: 1, Min: 3, Max: 600},
	ShadeNoticed:    0.85,
	ShadeDecay:      0.6,
	InterestMean:    []float64{0.30, 0.16, 0.07}, // [asm] a message, an update, an offer; "multiplies opens in the next hour 3.5 times"
	InterestSpread:  2.5,                         // [log] who (AUC 0.68) and what (0.77 to 0.83) decide, not the hour
	GoalFactor:      0.2,                         // [nst] "at the instant of screen-on 16 % fewer"
	ShadeFactor:     0.8,
	DismissShare:    0.3,
	GoalDismiss:     0.8,
	DaypartSpread:   0.1,  // [log] the hour hardly predicts the response (AUC 0.51)
	Mutes:           0.06, // [asm]
	PromptAnswered:  0.65,
	PromptBuzzBoost: 1.2,

	AnnoyanceHalfLife: 36 * time.Hour, // [asm], and the rest of this block
	AnnoyedByPush:     1,
	AnnoyedByBreak:    1,
	AnnoyanceOnOpen:   0.05,
	OptOutBase:        0.0008,
	OptOutGrowth:      0.12,
	OptOutCost:        10,

	OfflinePerDay: 0.3, // [asm]
	OfflineLength: LogNormal{Median: 3600, Sigma: 1, Min: 300, Max: 12 * 3600},

	Calls:        Spells{5, LogNormal{Median: 60, Sigma: 1.1, Min: 5, Max: 3600}},           // [pew] "about five calls a day"; length [asm]
	Trips:        Spells{2.9, LogNormal{Median: 1080, Sigma: 0.7, Min: 180, Max: 3 * 3600}}, // [aaa] with AtTheWheel "2.2 trips and 51 minutes at the wheel a day"
	Walks:        Spells{4, LogNormal{Median: 480, Sigma: 0.6, Min: 180, Max: 3600}},        // [asm]
	Headphones:   Spells{1.2, LogNormal{Median: 2400, Sigma: 0.7, Min: 300, Max: 4 * 3600}}, // [asm]
	DeskCharges:  Spells{0.7, LogNormal{Median: 3600, Sigma: 0.7, Min: 600, Max: 6 * 3600}}, // [asm]
	StateSpread:  0.5,                                                                       // [asm]
	StateAfter:   5 * time.Minute,                                                           // [asm]
	AtTheWheel:   0.75,                                                                      // [asm]
	DrivingUse:   0.16,                                                                      // [zen] 3.5 minutes of use in an hour at the wheel, against 21 in a waking hour here
	Night:        [2]float64{23, 7},                                                         // [asm]
	NightCharged: 0.7,                                                                       // [asm]
	DNDUsers:     0.3,                                                                       // [asm], and the rest of this block
	Meetings:     Spells{0.5, LogNormal{Median: 2700, Sigma: 0.4, Min: 900, Max: 3 * 3600}},
	MotionLag:    time.Minute,

	Breakpoint:     2 * time.Minute, // [fis] that notifications are attended to sooner after a call; for how long [asm]
	BreakpointOpen: 1.3,             // [yah] 60.7 % more clicks at most; half of it here
	InHandLook:     4,               // [asm], and the rest of this block
	HeadphonesLook: 1.2,
	ChargingLook:   0.8,
	WalkingOpen:    0.8,
}
