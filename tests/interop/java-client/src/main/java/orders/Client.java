// A client that signs its user in, calls a service, refreshes and signs its user out.
package orders;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jwt.JWT;
import com.nimbusds.oauth2.sdk.*;
import com.nimbusds.oauth2.sdk.auth.*;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.*;
import com.nimbusds.oauth2.sdk.pkce.*;
import com.nimbusds.oauth2.sdk.token.*;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import com.nimbusds.openid.connect.sdk.*;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.token.OIDCTokens;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;

public class Client {
    private static final BufferedReader LINES = new BufferedReader(new InputStreamReader(System.in));

    /** Sends the user's browser somewhere; gives where it was sent in the end. */
    static URI visit(URI place) throws Exception {
        System.out.println("visit " + place);
        return URI.create(LINES.readLine());
    }

    static String setting(String name) {
        return System.getenv(name);
    }

    public static void main(String[] arguments) throws Exception {
        Issuer issuer = new Issuer(setting("ISSUER"));
        OIDCProviderMetadata metadata = OIDCProviderMetadata.resolve(issuer);
        ClientID id = new ClientID(setting("CLIENT_ID"));
        ClientAuthentication proof = new ClientSecretBasic(id, new Secret(setting("CLIENT_SECRET")));
        URI redirect = URI.create(setting("REDIRECT_URI")), api = URI.create(setting("API"));

        State state = new State();
        Nonce nonce = new Nonce();
        CodeVerifier verifier = new CodeVerifier();
        Scope scope = new Scope("openid", "profile", "orders:read");
        AuthenticationRequest question = new AuthenticationRequest.Builder(ResponseType.CODE, scope, id, redirect)
                .endpointURI(metadata.getAuthorizationEndpointURI())
                .state(state)
                .nonce(nonce)
                .codeChallenge(verifier, CodeChallengeMethod.S256)
                .resource(api)
                .build();
        AuthenticationResponse answer = AuthenticationResponseParser.parse(visit(question.toURI()));
        if (!answer.indicatesSuccess() || !state.equals(answer.getState())) throw new AssertionError("not our answer");
        AuthorizationCode code = answer.toSuccessResponse().getAuthorizationCode();
        OIDCTokens tokens = tokens(metadata, proof, new AuthorizationCodeGrant(code, redirect, verifier), api);
        JWT idToken = tokens.getIDToken();
        JWSAlgorithm algorithm = JWSAlgorithm.parse(idToken.getHeader().getAlgorithm().getName());
        IDTokenValidator validator = new IDTokenValidator(issuer, id, algorithm, metadata.getJWKSetURI().toURL());
        String user = validator.validate(idToken, nonce).getSubject().getValue();

        call(tokens, user);
        tokens = tokens(metadata, proof, new RefreshTokenGrant(tokens.getRefreshToken()), api);
        call(tokens, user);

        URI afterwards = URI.create(setting("AFTERWARDS")), leaving = metadata.getEndSessionEndpointURI();
        LogoutRequest logout = new LogoutRequest(leaving, idToken, null, null, afterwards, new State("bye"), null);
        URI end = visit(logout.toURI());
        if (!end.toString().equals(afterwards + "?state=bye")) throw new AssertionError(end);
        try {
            tokens(metadata, proof, new RefreshTokenGrant(tokens.getRefreshToken()), api);
            throw new AssertionError("the login goes on");
        } catch (GeneralException refusal) {
            if (!OAuth2Error.INVALID_GRANT.equals(refusal.getErrorObject())) throw refusal;
        }
        System.out.println("done");
    }

    static OIDCTokens tokens(OIDCProviderMetadata metadata, ClientAuthentication proof, AuthorizationGrant grant, URI api)
            throws Exception {
        TokenRequest request = new TokenRequest.Builder(metadata.getTokenEndpointURI(), proof, grant).resource(api).build();
        TokenResponse answer = OIDCTokenResponseParser.parse(request.toHTTPRequest().send());
        if (!answer.indicatesSuccess()) throw new GeneralException(answer.toErrorResponse().getErrorObject());
        return ((OIDCTokenResponse) answer.toSuccessResponse()).getOIDCTokens();
    }

    static void call(OIDCTokens tokens, String user) throws Exception {
        HTTPRequest request = new HTTPRequest(HTTPRequest.Method.GET, URI.create(setting("SERVICE")));
        request.setAuthorization(tokens.getAccessToken().toAuthorizationHeader());
        HTTPResponse answer = request.send();
        answer.ensureStatusCode(200);
        if (!user.equals(JSONObjectUtils.getString(answer.getBodyAsJSONObject(), "reader"))) throw new AssertionError();
    }
}
