#!/bin/sh
# From nothing to a sold coffee, a refund and a statement, through the API alone, each step by whoever may:
# a company is founded at a place whose queues are there, and its people, stalls, menu and credit are made.
#
# ENDPOINTS names the endpoints.json of a running system, PLACE the tenant to found: one whose stack stands
# and that nobody has founded yet. Needs curl. Ends with "the tour is over" or says what went wrong.
set -eu

ENDPOINTS=${ENDPOINTS:-.local/endpoints.json}
PLACE=${PLACE:-initech}

fail() {
  echo "tour: $*" >&2
  exit 1
}

# The first text, number or word under a name in JSON.
field() {
  sed -n 's/.*"'"$1"'": *"\{0,1\}\([^",}]*\).*/\1/p' | head -n 1
}

# Of JSON on one line, only what begins with the first of a name.
from() {
  sed 's/.*\("'"$1"'":.*\)/\1/'
}

[ -r "$ENDPOINTS" ] || fail "$ENDPOINTS cannot be read; is 'make run' up?"
API=$(field api_url <"$ENDPOINTS")
COGNITO=$(field aws_endpoint_url <"$ENDPOINTS")
CLIENT=$(field client_id <"$ENDPOINTS")
OPERATOR=acme-platform
OPERATOR_PASSWORD=$(tr -d '\n' <"$ENDPOINTS" | sed 's/.*"username": *"'$OPERATOR'"//' | field password)

# UUIDv7s: the time, and sixteen random digits.
uuid() {
  random=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
  printf '%012x7%.3s8%s' "$(($(date +%s) * 1000))" "$random" "$(echo "$random" | cut -c 2-16)" |
    sed 's/^\(.\{8\}\)\(.\{4\}\)\(.\{4\}\)\(.\{4\}\)\(.\{12\}\)$/\1-\2-\3-\4-\5/'
}

cognito() {
  curl -s "$COGNITO" -H 'Content-Type: application/x-amz-json-1.1' \
    -H "X-Amz-Target: AWSCognitoIdentityProviderService.$1" -d "$2"
}

# Signs in; whoever has a first password gets another at once.
sign_in() {
  answer=$(cognito InitiateAuth '{"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": "'"$CLIENT"'",
    "AuthParameters": {"USERNAME": "'"$1"'", "PASSWORD": "'"$2"'"}}')
  case $answer in
    *NEW_PASSWORD_REQUIRED*)
      session=$(echo "$answer" | field Session)
      answer=$(cognito RespondToAuthChallenge '{"ChallengeName": "NEW_PASSWORD_REQUIRED",
        "ClientId": "'"$CLIENT"'", "Session": "'"$session"'",
        "ChallengeResponses": {"USERNAME": "'"$1"'", "NEW_PASSWORD": "a-password-of-ones-own"}}') ;;
  esac
  token=$(echo "$answer" | field IdToken)
  [ -n "$token" ] || fail "$1 cannot sign in: $answer"
  echo "$token"
}

# TOKEN METHOD PATH [BODY]: a request under a key of its own, waited for and then asked for again.
ask() {
  set -- "$1" "$2" "$3" "${4:-}"
  answer=$(curl -s -i -X "$2" "$API$3" -H "Authorization: Bearer $1" -H "Idempotency-Key: $(uuid)" \
    -H 'Prefer: wait=5' ${4:+-H 'Content-Type: application/json' -d "$4"})
  tries=0
  while echo "$answer" | grep -q '"status":"pending"'; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || fail "$2 $3 stays pending"
    sleep 0.5
    place=$(echo "$answer" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
    [ -z "$place" ] || at=${API%%"${place%%/v1/*}"}$place
    answer=$(curl -s "$at" -H "Authorization: Bearer $1")
  done
  echo "$answer" | tail -n 1
}

# WHO WHAT WANTED ANSWER: says what came of a step, and stops the tour if it is not what was wanted.
step() {
  case $4 in
    *"\"status\":\"$3\""*) printf '%-9s %s\n' "$1" "$2" ;;
    *) fail "$1: $2: $4" ;;
  esac
}

say() {
  printf '%-9s %s\n' "$1" "$2"
}

PLATFORM=$(sign_in $OPERATOR "$OPERATOR_PASSWORD")
answer=$(ask "$PLATFORM" PUT "/v1/tenants/$PLACE" '{"name": "Initech", "currency": "EUR",
  "time_zone": "Europe/Berlin", "closing_hour": 4, "overdraft_limit": 0}')
step platform "founds $PLACE" applied "$answer"
tries=0
until curl -s "$API/v1/tenants/$PLACE" -H "Authorization: Bearer $PLATFORM" | grep -q '"is_ready":true'; do
  tries=$((tries + 1))
  [ $tries -lt 600 ] || fail "the queues of $PLACE are not reached"
  curl -s -X POST "$API/v1/tenants/$PLACE/probe" -H "Authorization: Bearer $PLATFORM" >/dev/null
  sleep 0.5
done
say platform "sees that every command reaches its queue"
answer=$(ask "$PLATFORM" POST "/v1/tenants/$PLACE/admins" '{"username": "'"$PLACE"'.ann"}')
step platform "appoints $PLACE.ann" applied "$answer"

ADMIN=$(sign_in "$PLACE.ann" "$(echo "$answer" | field first_password)")
say admin "signs in, and gets a password of her own"
answer=$(ask "$ADMIN" PUT /v1/concessionaires/espresso-bar '{"name": "Espresso bar"}')
step admin "lets the espresso bar in" applied "$answer"
answer=$(ask "$ADMIN" PUT /v1/stations/espresso-1 '{"concessionaire_id": "espresso-bar"}')
step admin "sets up its station" applied "$answer"
answer=$(ask "$ADMIN" POST /v1/users '{"username": "'"$PLACE"'.max", "role": "manager",
  "concessionaire_id": "espresso-bar"}')
step admin "lets a manager in" applied "$answer"
MANAGER=$(sign_in "$PLACE.max" "$(echo "$answer" | field first_password)")
answer=$(ask "$ADMIN" POST /v1/users '{"username": "'"$PLACE"'.till", "role": "cashier",
  "concessionaire_id": "espresso-bar"}')
step admin "lets a cashier in" applied "$answer"
CASHIER=$(sign_in "$PLACE.till" "$(echo "$answer" | field first_password)")
answer=$(ask "$ADMIN" POST /v1/employees '{"employee_number": "7", "name": "Ada Okafor",
  "credit_limit": 50000, "discount_basis_points": 1000}')
step admin "hires Ada Okafor, with a discount of 10 %" applied "$answer"
answer=$(ask "$ADMIN" PUT /v1/employees/7/badges/BADGE-7 '{"status": "active"}')
step admin "gives her a badge" applied "$answer"
answer=$(ask "$ADMIN" POST /v1/employees/7/adjustments '{"amount": 10000, "reason": "first credit"}')
step admin "gives her credit" booked "$answer"

answer=$(ask "$MANAGER" PUT /v1/concessionaires/espresso-bar/meals/ESPRESSO '{"name": "Espresso",
  "category": "drinks", "price": 250, "calories": 5}')
step manager "puts espresso on the menu" applied "$answer"
answer=$(ask "$MANAGER" PUT /v1/concessionaires/espresso-bar/meals/BAGEL '{"name": "Bagel", "price": 400}')
step manager "and bagels" applied "$answer"

BASKET='{"rfid": "BADGE-7", "station": "espresso-1", "items": [{"code": "ESPRESSO", "qty": 2},
  {"code": "BAGEL", "qty": 1}]}'
quote=$(curl -s -X POST "$API/v1/checkouts/quote" -H "Authorization: Bearer $CASHIER" \
  -H 'Content-Type: application/json' -d "$BASKET")
case $quote in
  *'"is_covered":true'*'"total_net":810'*) say cashier "is told what it comes to: 8.10" ;;
  *) fail "quote: $quote" ;;
esac
sold=$(ask "$CASHIER" POST /v1/checkouts "$BASKET")
step cashier "sells two espressos and a bagel" settled "$sold"
SALE=$(echo "$sold" | field id)
answer=$(ask "$MANAGER" POST "/v1/employees/7/checkouts/$SALE/refunds" '{"reason": "cold",
  "items": [{"code": "ESPRESSO", "qty": 1}]}')
step manager "gives one espresso back" booked "$answer"
answer=$(ask "$CASHIER" POST "/v1/employees/7/checkouts/$SALE/void" '{"reason": "rung up wrongly"}')
step cashier "undoes the rest" booked "$answer"
answer=$(ask "$CASHIER" POST "/v1/employees/7/checkouts/$SALE/void" '{"reason": "again"}')
step cashier "cannot undo it twice" rejected "$answer"
answer=$(ask "$CASHIER" POST /v1/checkouts "$BASKET")
step cashier "sells it once more" settled "$answer"

answer=$(ask "$ADMIN" POST /v1/users '{"username": "'"$PLACE"'.ada", "role": "employee", "employee_number": "7"}')
step admin "lets Ada see her wallet" applied "$answer"
EMPLOYEE=$(sign_in "$PLACE.ada" "$(echo "$answer" | field first_password)")
statement=$(curl -s "$API/v1/employees/7/movements" -H "Authorization: Bearer $EMPLOYEE")
amounts=$(echo "$statement" | sed 's/"amount":/\n/g' | sed -n '2,$s/^\(-\{0,1\}[0-9]*\).*/\1/p' | tr '\n' ' ')
[ "$amounts" = "10000 -810 225 585 -810 " ] || fail "statement: $statement"
say employee "reads her statement: $amounts"
takings=$(curl -s "$API/v1/reports/takings?from=$(echo "$sold" | field business_date)" -H "Authorization: Bearer $ADMIN")
case $takings in
  *'"totals":{"sales":2,'*'"refunded":810,"taken":810,'*) say admin "reads what the espresso bar is owed: 8.10" ;;
  *) fail "takings: $takings" ;;
esac
audit=$(curl -s "$API/v1/audit?limit=50" -H "Authorization: Bearer $ADMIN")
case $audit in
  *create-employee*) say admin "finds all of it in the audit" ;;
  *) fail "audit: $audit" ;;
esac
echo "the tour is over"
